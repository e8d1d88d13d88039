//! Plans, as a tired engineer reads them: what goes first, then what comes, then what it costs and
//! what the gate says of it.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::Screen;
use super::cost;
use super::decision;
use super::environment;
use super::page::Page;
use super::plan_change;
use super::plan_json;
use super::text::Hue;
use super::text::clean;
use super::value;
use super::value::Difference;
use crate::model::cost::Quote;
use crate::model::decision::Decision;
use crate::model::decision::Outcome;
use crate::model::environment::EnvironmentRecord;
use crate::model::lifetime::Life;
use crate::model::lifetime::Timestamp;
use crate::model::plan::Action;
use crate::model::plan::Change;
use crate::model::plan::Plan;
use crate::model::plan::PlanKind;
use crate::model::sealed::SealedValue;

/// A plan with what goes with it.
#[derive(Clone, Copy, Debug)]
pub struct Proposed<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What it costs.
    pub quote: &'a Quote,
    /// What the gate says; absent for a saved plan that is only looked at.
    pub decision: Option<&'a Decision>,
    /// The life the environment has, or would have; absent where nobody knows it yet.
    pub life: Option<Life>,
    /// The environment's record as it is, where it exists and is at hand.
    pub before: Option<&'a EnvironmentRecord>,
    /// Now.
    pub now: Timestamp,
}

impl Proposed<'_> {
    /// Whether applying it would change nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let plan = self.plan;
        let record_stays = self.before.is_none_or(|before| *before == plan.record);
        plan.is_empty() && record_stays && !plan.is_new && !plan.kind.takes_down()
    }
}

/// What a plan would do, counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Made.
    pub create: usize,
    /// Changed in place.
    pub update: usize,
    /// Deleted and made anew.
    pub replace: usize,
    /// Deleted.
    pub delete: usize,
    /// Read during apply.
    pub read: usize,
    /// Kept past the end.
    pub hold: usize,
}

/// The counts of a plan.
#[must_use]
pub fn counts(plan: &Plan) -> Counts {
    let mut counts = Counts::default();
    for change in &plan.changes {
        let count = match change.action {
            Action::NoOp => continue,
            Action::Create => &mut counts.create,
            Action::Update => &mut counts.update,
            Action::Replace => &mut counts.replace,
            Action::Delete => &mut counts.delete,
            Action::Read => &mut counts.read,
            Action::Hold => &mut counts.hold,
        };
        *count += 1;
    }
    counts
}

/// The line that sums a plan up.
#[must_use]
pub fn summary(plan: &Plan) -> String {
    let counts = counts(plan);
    let mut text = format!(
        "Plan: {} to create, {} to update, {} to replace, {} to delete",
        counts.create, counts.update, counts.replace, counts.delete
    );
    if counts.read > 0 {
        text.push_str(&format!(", {} to read", counts.read));
    }
    if counts.hold > 0 {
        text.push_str(&format!(", {} held", counts.hold));
    }
    text.push('.');
    text
}

/// A plan as text.
#[must_use]
pub fn text(screen: &Screen, proposed: &Proposed<'_>) -> String {
    let plan = proposed.plan;
    let mut page = Page::new(screen);
    let allowed = proposed.decision.is_none_or(|decision| decision.outcome == Outcome::Allow);
    if proposed.is_empty() && allowed {
        page.prose(0, &nothing(plan));
        notes(&mut page, plan);
        return page.finish();
    }
    head(&mut page, proposed);
    if let Some(before) = proposed.before {
        environment::changes(&mut page, before, &plan.record);
    }
    let goes = |action: Action| action.deletes();
    group(&mut page, "Deleted or replaced", plan, goes);
    group(&mut page, "Held", plan, |action| action == Action::Hold);
    group(&mut page, "Created", plan, |action| action == Action::Create);
    group(&mut page, "Updated", plan, |action| action == Action::Update);
    group(&mut page, "Read during apply", plan, |action| action == Action::Read);
    drift(&mut page, plan);
    outputs(&mut page, plan);
    cost::section(&mut page, proposed.quote, &plan.record.budget, plan.kind.takes_down());
    if let Some(decision) = proposed.decision {
        decision::section(&mut page, decision);
    }
    notes(&mut page, plan);
    page.gap();
    page.strong(Hue::Strong, &summary(plan));
    page.finish()
}

fn nothing(plan: &Plan) -> String {
    let name = clean(&plan.record.name);
    match plan.kind {
        PlanKind::Remediate => format!("Nothing to do: nothing of {name} has drifted."),
        _ => format!("Nothing to do: {name} is what its blueprint says."),
    }
}

fn head(page: &mut Page<'_>, proposed: &Proposed<'_>) {
    let plan = proposed.plan;
    let name = clean(&plan.record.name);
    let what = match plan.kind {
        PlanKind::Apply if plan.is_new => format!("New environment {name}"),
        PlanKind::Apply => format!("Environment {name}"),
        PlanKind::Destroy => format!("Environment {name} is taken down"),
        PlanKind::Reap => format!("Environment {name} is reaped, since its life is over"),
        PlanKind::Remediate => format!("Drift of environment {name} is undone"),
    };
    page.heading(&what);
    if plan.is_new {
        environment::record(page, &plan.record);
    } else {
        page.pair("blueprint", &environment::blueprint(&plan.record));
        page.pair("owner", &environment::owner(&plan.record));
        page.pair("purpose", &clean(&plan.record.identity.purpose));
    }
    if let Some(life) = proposed.life {
        page.pair("life", &environment::life(proposed.now, life));
    }
}

fn group(page: &mut Page<'_>, title: &str, plan: &Plan, wanted: impl Fn(Action) -> bool) {
    let changes: Vec<&Change> =
        plan.changes.iter().filter(|change| wanted(change.action)).collect();
    if changes.is_empty() {
        return;
    }
    page.heading(title);
    for change in changes {
        plan_change::write(page, change);
    }
}

/// What was changed outside gov since the last look: the books against reality.
fn drift(page: &mut Page<'_>, plan: &Plan) {
    let drifted: Vec<&Change> =
        plan.changes.iter().filter(|change| change.recorded.is_some()).collect();
    if drifted.is_empty() && plan.gone.is_empty() {
        return;
    }
    page.heading("Changed outside gov (recorded → found)");
    for change in drifted {
        let address = clean(&change.address.to_string());
        let recorded = change.recorded.as_ref().map_or(&SealedValue::Null, |it| &it.value);
        match &change.prior {
            Some(prior) => {
                page.item(2, ("~", Hue::Warn), &format!("{address} is not as recorded"));
                plan_change::attributes(page, recorded, &prior.value, &[]);
            }
            None => page.item(2, ("-", Hue::Bad), &format!("{address} is gone")),
        }
    }
    for gone in &plan.gone {
        let address = clean(&gone.address.to_string());
        page.item(2, ("-", Hue::Bad), &format!("{address} is gone, and the books drop it"));
    }
}

fn outputs(page: &mut Page<'_>, plan: &Plan) {
    let changed: BTreeMap<&String, _> =
        plan.outputs.iter().filter(|(_, output)| output.before != output.after).collect();
    if changed.is_empty() {
        return;
    }
    page.heading("Outputs");
    for (name, output) in changed {
        let name = clean(name);
        let room = page.screen().width.saturating_sub(name.len() + 6);
        let (sign, text) = match (&output.before, &output.after) {
            (SealedValue::Null, after) => {
                (("+", Hue::Good), format!("{name}: {}", value::text(page.screen(), after, room)))
            }
            (_, SealedValue::Null) => (("-", Hue::Bad), name),
            (before, after) => {
                let path = crate::model::value::Path::attribute(name);
                let difference = Difference { path, before, after };
                (("~", Hue::Warn), value::change(page.screen(), &difference, 4))
            }
        };
        let line = format!("  {} {text}", page.screen().paint(sign.1, sign.0));
        page.line(&line);
    }
}

fn notes(page: &mut Page<'_>, plan: &Plan) {
    if plan.warnings.is_empty() {
        return;
    }
    page.heading("Warnings");
    for warning in &plan.warnings {
        page.item(2, ("!", Hue::Warn), &super::text::clean_lines(warning));
    }
}

/// A plan as JSON.
#[must_use]
pub fn json(proposed: &Proposed<'_>) -> Json {
    plan_json::json(proposed)
}
