//! Progress while a plan is carried out: live on a terminal, plain lines where it is piped, nothing
//! where quiet or JSON was asked for.
//!
//! The live form has one line for each resource under way, as far as there is room, and one that
//! counts. It goes away at the end; what happened is then said by the report. Only indicatif's own
//! thread draws.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;

use indicatif::MultiProgress;
use indicatif::ProgressBar;
use indicatif::ProgressDrawTarget;
use indicatif::ProgressStyle;

use super::render::Screen;
use super::render::text::Hue;
use super::render::text::clean;
use super::render::text::count;
use super::render::text::cut;
use super::render::time;
use super::ui::Ui;
use crate::engine::driver::Progress as Event;
use crate::model::address::Address;
use crate::model::lifetime::Clock;
use crate::model::plan::StepAction;

/// Resources under way that have a line of their own: beyond, a terminal scrolls.
const LINES_MAX: usize = 8;

/// How often the live lines are drawn anew: often enough for tenths of a second to move.
const TICK: std::time::Duration = std::time::Duration::from_millis(100);

/// Columns that a live line needs beside its words: the spinner, the time and blanks.
const FRAME_COLUMNS: usize = 16;

/// Shows what is going on. Clones share what they show.
#[derive(Clone)]
pub struct Progress {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    ui: Arc<Ui>,
    clock: Arc<dyn Clock>,
    live: Option<Live>,
    silent: bool,
    under_way: BTreeMap<Address, Running>,
    steps: Option<usize>,
    done: usize,
    failed: usize,
}

struct Running {
    action: StepAction,
    since_ms: u64,
    bar: Option<ProgressBar>,
}

struct Live {
    all: MultiProgress,
    foot: ProgressBar,
    line: ProgressStyle,
}

impl Progress {
    /// Shows progress as this voice can. `steps` is how many there are, where that is known.
    #[must_use]
    pub fn new(ui: Arc<Ui>, clock: Arc<dyn Clock>, steps: Option<usize>) -> Self {
        let live = ui.is_live().then(|| Live::new(ProgressDrawTarget::stderr())).flatten();
        Self::with(ui, clock, steps, live)
    }

    fn with(ui: Arc<Ui>, clock: Arc<dyn Clock>, steps: Option<usize>, live: Option<Live>) -> Self {
        let silent = ui.is_quiet() || ui.is_json();
        let under_way = BTreeMap::new();
        let shared = Shared { ui, clock, live, silent, under_way, steps, done: 0, failed: 0 };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Takes in what is going on.
    pub fn tell(&self, event: Event) {
        if let Ok(mut shared) = self.shared.lock() {
            shared.tell(event);
        }
    }

    /// The same as a function, for [`Context::watch`](crate::ops::Context::watch).
    #[must_use]
    pub fn watch(&self) -> Arc<dyn Fn(Event) + Send + Sync> {
        let progress = self.clone();
        Arc::new(move |event| progress.tell(event))
    }

    /// How many steps there are, once that is known.
    pub fn expect(&self, steps: usize) {
        if let Ok(mut shared) = self.shared.lock() {
            shared.steps = Some(steps);
        }
    }

    /// Ends it: live lines go away.
    pub fn finish(&self) {
        if let Ok(mut shared) = self.shared.lock() {
            shared.finish();
        }
    }
}

impl Live {
    /// Live lines, unless the templates are wrong.
    fn new(target: ProgressDrawTarget) -> Option<Self> {
        let line = ProgressStyle::with_template("  {spinner} {msg} {elapsed}").ok()?;
        let foot_style = ProgressStyle::with_template("  {msg}").ok()?;
        let all = MultiProgress::with_draw_target(target);
        let foot = all.add(ProgressBar::new_spinner().with_style(foot_style));
        Some(Self { all, foot, line })
    }

    fn add(&self, message: String) -> ProgressBar {
        let bar = ProgressBar::new_spinner().with_style(self.line.clone());
        let bar = self.all.insert_before(&self.foot, bar);
        bar.set_message(message);
        bar.enable_steady_tick(TICK);
        bar
    }
}

impl Shared {
    fn tell(&mut self, event: Event) {
        if self.silent {
            return;
        }
        match event {
            Event::Began { address, action } => self.began(address, action),
            Event::Ended { address, error } => self.ended(&address, error.as_deref()),
            Event::Stopping { in_flight } => self.stopping(&in_flight),
        }
        self.count();
    }

    fn began(&mut self, address: Address, action: StepAction) {
        let words = clean(&format!("{} {address}", action.name()));
        if self.live.is_none() {
            self.ui.talk(&format!("{words} …"));
        }
        let lines = self.under_way.values().filter(|running| running.bar.is_some()).count();
        let bar = match &self.live {
            Some(live) if lines < LINES_MAX => Some(live.add(self.fit(&words))),
            _ => None,
        };
        let since_ms = self.clock.uptime_ms();
        // A step that is tried again keeps its place and begins its time anew.
        let before = self.under_way.insert(address, Running { action, since_ms, bar });
        if let Some(bar) = before.and_then(|running| running.bar) {
            self.remove(&bar);
        }
    }

    fn ended(&mut self, address: &Address, error: Option<&str>) {
        let Some(running) = self.under_way.remove(address) else { return };
        let millis = self.clock.uptime_ms().saturating_sub(running.since_ms);
        let took = time::took(std::time::Duration::from_millis(millis));
        let words = clean(&format!("{} {address}", running.action.name()));
        let screen = self.ui.talk_screen();
        match error {
            None => self.done += 1,
            Some(_) => self.failed += 1,
        }
        if let Some(bar) = &running.bar {
            self.remove(bar);
            self.promote();
        }
        let line = match error {
            None => format!("{words} {} in {took}", screen.paint(Hue::Good, "done")),
            Some(error) => {
                let failed = screen.paint(Hue::Bad, "failed");
                format!("{words} {failed} after {took}: {}", clean(error))
            }
        };
        self.say(&line);
    }

    /// Gives a free line to a resource that has none.
    fn promote(&mut self) {
        let Some(live) = &self.live else { return };
        let waiting = self.under_way.iter_mut().find(|(_, running)| running.bar.is_none());
        let Some((address, running)) = waiting else { return };
        let words = clean(&format!("{} {address}", running.action.name()));
        let room = self.ui.talk_screen().width.saturating_sub(FRAME_COLUMNS);
        let millis = self.clock.uptime_ms().saturating_sub(running.since_ms);
        let bar = live.add(cut(&words, room));
        running.bar = Some(bar.with_elapsed(std::time::Duration::from_millis(millis)));
    }

    fn stopping(&mut self, in_flight: &[Address]) {
        let names: Vec<String> = in_flight.iter().map(|it| clean(&it.to_string())).collect();
        let line = if names.is_empty() {
            "Stopping: nothing is under way.".to_owned()
        } else {
            let names = names.join(", ");
            format!("Stopping once {names} has ended. Interrupt again to stop at once.")
        };
        let screen: Screen = self.ui.talk_screen();
        self.say(&screen.paint(Hue::Warn, &line));
    }

    /// A line that stays.
    fn say(&self, line: &str) {
        match &self.live {
            // Drawn lines would be torn by writing between them.
            Some(live) => live.all.suspend(|| self.ui.talk(line)),
            None => self.ui.talk(line),
        }
    }

    fn count(&self) {
        let Some(live) = &self.live else { return };
        live.foot.set_message(self.foot());
        live.foot.tick();
    }

    /// The line that counts: `… and 3 more; 5 of 12 steps done, 1 failed`.
    fn foot(&self) -> String {
        let hidden = self.under_way.values().filter(|running| running.bar.is_none()).count();
        let more = if hidden > 0 { format!("… and {hidden} more; ") } else { String::new() };
        let done = match self.steps {
            Some(steps) => format!("{} of {} done", self.done, count(steps, "step")),
            None => format!("{} done", count(self.done, "step")),
        };
        let failed =
            if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
        self.fit(&format!("{more}{done}{failed}"))
    }

    fn fit(&self, words: &str) -> String {
        cut(words, self.ui.talk_screen().width.saturating_sub(FRAME_COLUMNS))
    }

    fn remove(&self, bar: &ProgressBar) {
        bar.finish_and_clear();
        if let Some(live) = &self.live {
            live.all.remove(bar);
        }
    }

    fn finish(&mut self) {
        for running in std::mem::take(&mut self.under_way).into_values() {
            if let Some(bar) = running.bar {
                self.remove(&bar);
            }
        }
        if let Some(live) = self.live.take() {
            live.foot.finish_and_clear();
            // A terminal that cannot be cleared any more has nobody to see it.
            drop(live.all.clear());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::io::Write;
    use std::sync::Arc;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering;

    use indicatif::ProgressDrawTarget;

    use super::LINES_MAX;
    use super::Live;
    use super::Progress;
    use crate::cli::ui::Setting;
    use crate::cli::ui::Ui;
    use crate::engine::driver::Progress as Event;
    use crate::model::address::Address;
    use crate::model::lifetime::Clock;
    use crate::model::lifetime::Timestamp;
    use crate::model::plan::StepAction;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[derive(Default)]
    struct Hand(AtomicU64);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(0)
        }

        fn uptime_ms(&self) -> u64 {
            self.0.load(Ordering::SeqCst)
        }
    }

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    fn began(text: &str) -> Event {
        Event::Began { address: address(text), action: StepAction::Create }
    }

    fn run(setting: Setting, live: Option<Live>) -> (Progress, Paper, Arc<Hand>) {
        let (paper, clock) = (Paper::default(), Arc::new(Hand::default()));
        let ui = Ui::new(setting, Box::new(io::sink()), Box::new(paper.clone()));
        let progress =
            Progress::with(Arc::new(ui), Arc::clone(&clock) as Arc<dyn Clock>, Some(20), live);
        (progress, paper, clock)
    }

    fn text(paper: &Paper) -> String {
        String::from_utf8(paper.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn piped_progress_is_plain_lines() {
        let (progress, paper, clock) = run(Setting::default(), None);
        progress.tell(began("local_file.a"));
        clock.0.store(345, Ordering::SeqCst);
        progress.watch()(Event::Ended { address: address("local_file.a"), error: None });
        progress.tell(began("local_file.b"));
        let error = Some("full\u{1b}".to_owned());
        progress.tell(Event::Ended { address: address("local_file.b"), error });
        progress.tell(Event::Stopping { in_flight: vec![address("local_file.c")] });
        progress.finish();
        assert_eq!(
            text(&paper),
            "create local_file.a …\n\
             create local_file.a done in 0.3s\n\
             create local_file.b …\n\
             create local_file.b failed after 0.0s: full\\u{1b}\n\
             Stopping once local_file.c has ended. Interrupt again to stop at once.\n"
        );
    }

    #[test]
    fn quiet_and_json_show_nothing() {
        for setting in [
            Setting { quiet: true, ..Setting::default() },
            Setting { json: true, ..Setting::default() },
        ] {
            let (progress, paper, _) = run(setting, None);
            progress.tell(began("local_file.a"));
            progress.finish();
            assert_eq!(text(&paper), "");
        }
    }

    #[test]
    fn live_lines_are_bounded_and_the_rest_is_counted() {
        let live = Live::new(ProgressDrawTarget::hidden());
        let (progress, _paper, _) = run(Setting::default(), live);
        for index in 0..LINES_MAX + 3 {
            progress.tell(began(&format!("local_file.a[{index}]")));
        }
        let foot = |progress: &Progress| progress.shared.lock().unwrap().foot();
        assert_eq!(foot(&progress), "… and 3 more; 0 of 20 steps done");
        progress.tell(Event::Ended { address: address("local_file.a[0]"), error: None });
        assert_eq!(foot(&progress), "… and 2 more; 1 of 20 steps done");
        progress.finish();
        assert!(progress.shared.lock().unwrap().live.is_none());
    }
}
