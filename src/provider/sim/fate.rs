//! What a simulated cloud does to calls: ordered by a script, or drawn from the seed.
//!
//! A draw depends on the seed and on what is drawn for (which call on which object, the how
//! manieth), never on what happened before it elsewhere: calls that overtake one another meet the
//! same fates. Start with [`SimPlan`].

use crate::provider::Call;

/// The kind of a call, with the three kinds of apply apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Act {
    /// [`Call::Configure`].
    Configure,
    /// [`Call::Validate`].
    Validate,
    /// [`Call::Upgrade`].
    Upgrade,
    /// [`Call::Read`].
    Read,
    /// [`Call::ReadData`].
    ReadData,
    /// [`Call::Propose`].
    Propose,
    /// [`Call::Apply`] without a prior object.
    Create,
    /// [`Call::Apply`] with a prior object and a planned one.
    Update,
    /// [`Call::Apply`] whose planned value is null.
    Delete,
    /// [`Call::Find`].
    Find,
    /// [`Call::Import`].
    Import,
}

impl Act {
    /// The kind of this call.
    #[must_use]
    pub fn of(call: &Call) -> Self {
        match call {
            Call::Configure { .. } => Self::Configure,
            Call::Validate { .. } => Self::Validate,
            Call::Upgrade { .. } => Self::Upgrade,
            Call::Read { .. } => Self::Read,
            Call::ReadData { .. } => Self::ReadData,
            Call::Propose { .. } => Self::Propose,
            Call::Apply(apply) if apply.planned.is_null() => Self::Delete,
            Call::Apply(apply) if apply.prior.is_some() => Self::Update,
            Call::Apply(_) => Self::Create,
            Call::Find { .. } => Self::Find,
            Call::Import { .. } => Self::Import,
        }
    }

    /// Whether it can change the cloud.
    #[must_use]
    pub fn is_mutating(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Delete)
    }
}

/// What happens to one call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It is done and answered.
    Fine,
    /// Nothing happens, and trying again will not help.
    Rejected,
    /// Nothing happens, and trying again may help.
    Transient,
    /// It is done, and the answer is lost. A call without effect fails as transient.
    ReplyLost,
    /// It never arrives, and nobody knows. A call without effect fails as transient.
    CallLost,
    /// It is done only this many ticks later, and until then nobody knows. A call without effect
    /// fails as transient.
    Late(u64),
    /// It gets half-way: a create leaves an object, an update changes its first attribute only, a
    /// delete leaves it all, and an error comes with what exists. Other calls are fine.
    Partial,
}

/// A scripted fate: for which calls, after how many, and how often.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    act: Act,
    kind: Option<String>,
    name: Option<String>,
    skip: u32,
    times: u32,
    fate: Fate,
}

impl Order {
    /// The next call of this kind meets this fate.
    #[must_use]
    pub fn on(act: Act, fate: Fate) -> Self {
        Self { act, kind: None, name: None, skip: 0, times: 1, fate }
    }

    /// Only calls on objects of this type.
    #[must_use]
    pub fn kind(mut self, kind: &str) -> Self {
        self.kind = Some(kind.to_owned());
        self
    }

    /// Only calls on objects of this name: the attribute `name`, or `from->to` of a link.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Only after this many such calls.
    #[must_use]
    pub fn skipping(mut self, calls: u32) -> Self {
        self.skip = calls;
        self
    }

    /// This many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// The fate of such a call, if this order is about it; uses the order up by one.
    pub(crate) fn take(&mut self, act: Act, kind: &str, name: &str) -> Option<Fate> {
        let is_meant = self.act == act
            && self.kind.as_ref().is_none_or(|wanted| wanted == kind)
            && self.name.as_ref().is_none_or(|wanted| wanted == name)
            && self.times > 0;
        if !is_meant {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.times -= 1;
        Some(self.fate.clone())
    }
}

/// How often each fate is drawn, in a thousand calls that can meet it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Odds {
    /// [`Fate::Rejected`], of calls with an effect.
    pub rejected: u16,
    /// [`Fate::Transient`], of calls with an effect, reads and finds.
    pub transient: u16,
    /// [`Fate::ReplyLost`], of calls with an effect.
    pub reply_lost: u16,
    /// [`Fate::CallLost`], of calls with an effect.
    pub call_lost: u16,
    /// [`Fate::Late`], of calls with an effect.
    pub late: u16,
    /// [`Fate::Partial`], of calls with an effect.
    pub partial: u16,
}

/// How a simulated cloud behaves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SimPlan {
    /// Scripted fates; the first that is about a call decides, before anything is drawn.
    pub script: Vec<Order>,
    /// Drawn fates.
    pub odds: Odds,
    /// Most ticks that a call takes, and that a late one is late; 0 for at once.
    pub latency_max: u64,
    /// Most reads after a create that do not see the object yet; 0 for a consistent cloud.
    pub lag_max: u32,
    /// Whether a call with the wrong private bytes is refused, as real providers do. Off only for
    /// tests that write calls by hand.
    pub checks_private: bool,
}

impl SimPlan {
    /// A cloud in which nothing goes wrong.
    #[must_use]
    pub fn calm() -> Self {
        Self {
            script: Vec::new(),
            odds: Odds::default(),
            latency_max: 0,
            lag_max: 0,
            checks_private: true,
        }
    }

    /// A cloud in which about one call with an effect in three goes wrong somehow.
    #[must_use]
    pub fn stormy() -> Self {
        let odds = Odds {
            rejected: 20,
            transient: 120,
            reply_lost: 60,
            call_lost: 60,
            late: 30,
            partial: 30,
        };
        Self { odds, latency_max: 8, lag_max: 2, ..Self::calm() }
    }

    /// The same with one more scripted fate.
    #[must_use]
    pub fn then(mut self, order: Order) -> Self {
        self.script.push(order);
        self
    }
}

/// A number drawn from the seed for this and nothing else.
#[must_use]
pub fn draw(seed: u64, what: &[&str], attempt: u64) -> u64 {
    /// Odd constants of the SplitMix64 generator (Steele, Lea and Flood, 2014).
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    const MIX: [(u32, u64); 2] = [(30, 0xbf58_476d_1ce4_e5b9), (27, 0x94d0_49bb_1331_11eb)];
    let mix = |state: u64| {
        let mixed = MIX.iter().fold(state.wrapping_add(STEP), |state, (shift, factor)| {
            (state ^ (state >> shift)).wrapping_mul(*factor)
        });
        mixed ^ (mixed >> 31)
    };
    // A byte that no text holds keeps ["ab", "c"] and ["a", "bc"] apart.
    let bytes = what.iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(mix(seed ^ mix(attempt)), |state, byte| mix(state ^ u64::from(byte)))
}

impl Odds {
    /// The fate that this draw stands for.
    pub(crate) fn fate(&self, act: Act, drawn: u64, latency_max: u64) -> Fate {
        let rows = match act {
            Act::Create | Act::Update | Act::Delete => vec![
                (self.rejected, Fate::Rejected),
                (self.transient, Fate::Transient),
                (self.reply_lost, Fate::ReplyLost),
                (self.call_lost, Fate::CallLost),
                (self.late, Fate::Late(1 + (drawn >> 32) % latency_max.max(1))),
                (self.partial, Fate::Partial),
            ],
            Act::Read | Act::Find => vec![(self.transient, Fate::Transient)],
            _ => Vec::new(),
        };
        let mut rest = drawn % 1000;
        for (odds, fate) in rows {
            match rest.checked_sub(u64::from(odds)) {
                None => return fate,
                Some(left) => rest = left,
            }
        }
        Fate::Fine
    }
}

#[cfg(test)]
mod tests {
    use super::Act;
    use super::Fate;
    use super::Odds;
    use super::Order;
    use super::SimPlan;
    use super::draw;

    #[test]
    fn an_order_is_used_up() {
        let mut order = Order::on(Act::Create, Fate::ReplyLost).named("a").skipping(1).times(2);
        assert_eq!(order.take(Act::Create, "sim_object", "b"), None);
        assert_eq!(order.take(Act::Update, "sim_object", "a"), None);
        let taken: Vec<_> =
            (0..4).map(|_| order.take(Act::Create, "sim_object", "a").is_some()).collect();
        assert_eq!(taken, [false, true, true, false]);
    }

    #[test]
    fn draws_differ_by_what_they_are_for_and_by_nothing_else() {
        assert_eq!(draw(1, &["create", "a"], 0), draw(1, &["create", "a"], 0));
        let others = [
            draw(2, &["create", "a"], 0),
            draw(1, &["create", "a"], 1),
            draw(1, &["createa"], 0),
            draw(1, &["creat", "ea"], 0),
        ];
        assert!(others.iter().all(|other| *other != draw(1, &["create", "a"], 0)));
    }

    #[test]
    fn fates_come_as_often_as_the_odds_say() {
        let odds = SimPlan::stormy().odds;
        let mut lost = 0_u32;
        for attempt in 0..10_000 {
            let drawn = draw(7, &["create"], attempt);
            lost += u32::from(odds.fate(Act::Create, drawn, 8) == Fate::ReplyLost);
            assert_eq!(Odds::default().fate(Act::Create, drawn, 8), Fate::Fine);
            let read = odds.fate(Act::Read, drawn, 8);
            assert!(matches!(read, Fate::Fine | Fate::Transient));
        }
        assert!((450..750).contains(&lost), "{lost} of 10000, 600 expected");
    }
}
