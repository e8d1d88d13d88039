//! What the command line says, and where: stdout is data, stderr is talk.
//!
//! Nothing is read from the environment here: what is known of the terminal comes in as
//! [`Setting`], and colour, width and characters are decided from it once. A reader that goes away
//! ends the talking quietly; any other failure to write is kept for whoever asks at the end.
//! Nothing here decides what is said: that is [`render`](crate::cli::render).

use std::io::ErrorKind;
use std::io::Write;
use std::sync::Mutex;

use serde_json::Value as Json;

use super::render::Screen;
use super::render::WIDTH_DEFAULT;
use super::render::WIDTH_MAX;
use super::render::WIDTH_MIN;
use super::render::diagnostics;
use super::render::error;
use super::render::page::Page;
use super::render::text;
use super::render::text::Hue;
use super::render::text::clean_lines;
use crate::diagnostic::Diagnostics;
use crate::ops::OpError;

/// What is known of the terminal and what was asked for. The composition root fills it in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Setting {
    /// Whether stdout is a terminal.
    pub stdout_is_terminal: bool,
    /// Whether stderr is a terminal.
    pub stderr_is_terminal: bool,
    /// Columns of the terminal, where there is one.
    pub columns: Option<u16>,
    /// `--no-color`.
    pub no_color: bool,
    /// The variable `NO_COLOR`: any text but the empty one turns colour off.
    pub no_color_variable: Option<String>,
    /// The variable `CLICOLOR`: `0` turns colour off.
    pub clicolor: Option<String>,
    /// The variable `CLICOLOR_FORCE`: any text but `0` turns colour on without a terminal.
    pub clicolor_force: Option<String>,
    /// The variable `TERM`: `dumb` has no colour and no cursor.
    pub term: Option<String>,
    /// The locale of characters: the first that is set of `LC_ALL`, `LC_CTYPE` and `LANG`.
    pub locale: Option<String>,
    /// `--quiet`.
    pub quiet: bool,
    /// `--verbose`.
    pub verbose: bool,
    /// `--json`.
    pub json: bool,
}

impl Setting {
    fn is_dumb(&self) -> bool {
        self.term.as_deref() == Some("dumb")
    }

    /// Whether text for this stream is coloured. Turning off beats turning on.
    fn color(&self, is_terminal: bool) -> bool {
        let set = |variable: &Option<String>| variable.as_deref().is_some_and(|it| !it.is_empty());
        if self.no_color || set(&self.no_color_variable) || self.is_dumb() {
            return false;
        }
        let forced = set(&self.clicolor_force) && self.clicolor_force.as_deref() != Some("0");
        forced || (is_terminal && self.clicolor.as_deref() != Some("0"))
    }

    /// Whether the terminal shows more than ASCII. Files and pipes take UTF-8 in any case.
    fn unicode(&self, is_terminal: bool) -> bool {
        let utf8 = self.locale.as_deref().is_some_and(|locale| {
            let lower = locale.to_ascii_lowercase();
            lower.contains("utf-8") || lower.contains("utf8")
        });
        !self.is_dumb() && (utf8 || !is_terminal)
    }

    fn width(&self) -> usize {
        let columns = self.columns.filter(|columns| *columns > 0);
        columns.map_or(WIDTH_DEFAULT, usize::from).clamp(WIDTH_MIN, WIDTH_MAX)
    }
}

/// Why what was said did not arrive.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// The reader went away, which is its right: nothing to report.
    #[error("the reader of the output went away")]
    Closed,
    /// It could not be written.
    #[error("the output could not be written: {0}")]
    Failed(String),
}

struct Stream {
    to: Mutex<(Box<dyn Write + Send>, Option<Fault>)>,
    screen: Screen,
    unicode: bool,
}

impl Stream {
    fn write(&self, text: &str) {
        let Ok(mut held) = self.to.lock() else { return };
        let (to, fault) = &mut *held;
        if fault.is_some() {
            return;
        }
        if let Err(error) = to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
            *fault = Some(match error.kind() {
                ErrorKind::BrokenPipe => Fault::Closed,
                _ => Fault::Failed(error.to_string()),
            });
        }
    }

    /// Text in the characters that the terminal has.
    fn spell(&self, text: &str) -> String {
        if self.unicode { text.to_owned() } else { ascii(text) }
    }

    fn fault(&self) -> Option<Fault> {
        self.to.lock().ok().and_then(|held| held.1.clone())
    }
}

/// Text without the few signs that rendering uses beyond ASCII. Other people's words stay.
fn ascii(text: &str) -> String {
    text.replace('→', "->").replace('…', "...").replace('·', "*").replace(['–', '—'], "-")
}

/// Says what the command line says.
pub struct Ui {
    out: Stream,
    err: Stream,
    setting: Setting,
}

impl Ui {
    /// A voice on the process's own streams.
    #[must_use]
    pub fn standard(setting: Setting) -> Self {
        Self::new(setting, Box::new(std::io::stdout()), Box::new(std::io::stderr()))
    }

    /// A voice on these streams.
    #[must_use]
    pub fn new(setting: Setting, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        let stream = |to, is_terminal| Stream {
            to: Mutex::new((to, None)),
            screen: Screen {
                width: setting.width(),
                color: setting.color(is_terminal),
                unfold: setting.verbose,
            },
            unicode: setting.unicode(is_terminal),
        };
        let out = stream(out, setting.stdout_is_terminal);
        let err = stream(err, setting.stderr_is_terminal);
        Self { out, err, setting }
    }

    /// What data is rendered for.
    #[must_use]
    pub fn screen(&self) -> Screen {
        self.out.screen
    }

    /// What talk is rendered for.
    #[must_use]
    pub fn talk_screen(&self) -> Screen {
        self.err.screen
    }

    /// Whether data is wanted as JSON.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.setting.json
    }

    /// Whether only data and errors are wanted.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.setting.quiet
    }

    /// Whether more than usual is wanted.
    #[must_use]
    pub fn is_verbose(&self) -> bool {
        self.setting.verbose
    }

    /// Whether a terminal reads the data.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.setting.stdout_is_terminal
    }

    /// Whether talk may move the cursor: live progress.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.setting.stderr_is_terminal
            && !self.setting.is_dumb()
            && !self.setting.quiet
            && !self.setting.json
    }

    /// Data, as rendered.
    pub fn out(&self, text: &str) {
        let text = self.out.spell(text);
        self.out.write(&text);
    }

    /// A line of data.
    pub fn line(&self, text: &str) {
        self.out(&format!("{text}\n"));
    }

    /// Data for scripts: every byte as it is.
    pub fn raw(&self, text: &str) {
        self.out.write(text);
    }

    /// A JSON document.
    pub fn json(&self, document: &Json) {
        self.out.write(&text::json(document));
    }

    /// Data as the reader wants it: JSON where that was asked for, else text.
    pub fn either(&self, text: impl FnOnce(&Screen) -> String, json: impl FnOnce() -> Json) {
        if self.setting.json {
            self.json(&json());
        } else {
            self.out(&text(&self.out.screen));
        }
    }

    /// Talk, as rendered. Nothing where quiet was asked for.
    pub fn talk(&self, text: &str) {
        if !self.setting.quiet {
            let text = self.err.spell(text);
            self.err.write(&format!("{}\n", text.trim_end_matches('\n')));
        }
    }

    /// A warning in a sentence, cleaned here. Not even quiet silences it.
    pub fn warn(&self, text: &str) {
        self.said("warning:", Hue::Warn, text);
    }

    /// An error in a sentence, cleaned here.
    pub fn error(&self, text: &str) {
        self.said("error:", Hue::Bad, text);
    }

    fn said(&self, sign: &str, hue: Hue, text: &str) {
        let mut page = Page::new(&self.err.screen);
        page.item(0, (sign, hue), &clean_lines(text));
        let text = self.err.spell(&page.finish());
        self.err.write(&text);
    }

    /// What is wrong with what somebody wrote, all of it. As data where JSON was asked for.
    pub fn diagnostics(&self, found: &Diagnostics) {
        if found.is_empty() {
            return;
        }
        if self.setting.json {
            self.json(&diagnostics::json(found));
            return;
        }
        self.show_diagnostics(found);
    }

    /// Warnings beside something that succeeded: talk, also where JSON was asked for.
    pub fn warnings(&self, found: &Diagnostics) {
        if !found.is_empty() {
            self.show_diagnostics(found);
        }
    }

    fn show_diagnostics(&self, found: &Diagnostics) {
        let text = diagnostics::text(&self.err.screen, found, self.err.unicode);
        let text = self.err.spell(&text);
        self.err.write(&text);
    }

    /// Why an operation did not do what was asked, and what to do next. `about` is the environment
    /// that the command was about.
    pub fn op_error(&self, failed: &OpError, about: Option<&str>) {
        if self.setting.json {
            self.json(&error::json(failed, about));
            return;
        }
        let text = error::text(&self.err.screen, failed, about, self.err.unicode);
        let text = self.err.spell(&text);
        self.err.write(&text);
    }

    /// Why data did not arrive, where it did not. A reader of talk that goes away is no fault.
    ///
    /// # Errors
    /// [`Fault::Closed`] to end quietly; [`Fault::Failed`] to end with an error.
    pub fn finish(&self) -> Result<(), Fault> {
        self.out.fault().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::io::Write;
    use std::sync::Arc;
    use std::sync::Mutex;

    use super::Fault;
    use super::Setting;
    use super::Ui;
    use crate::ops::OpError;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Paper {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Wall(io::ErrorKind);

    impl Write for Wall {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn ui(setting: Setting) -> (Ui, Paper, Paper) {
        let (out, err) = (Paper::default(), Paper::default());
        (Ui::new(setting, Box::new(out.clone()), Box::new(err.clone())), out, err)
    }

    fn terminal() -> Setting {
        Setting {
            stdout_is_terminal: true,
            stderr_is_terminal: true,
            locale: Some("C.UTF-8".into()),
            ..Setting::default()
        }
    }

    #[test]
    fn colour_follows_the_terminal_and_every_way_to_turn_it_off() {
        let some = |text: &str| Some(text.to_owned());
        let rows = [
            (terminal(), true),
            (Setting::default(), false),
            (Setting { no_color: true, ..terminal() }, false),
            (Setting { no_color_variable: some("1"), ..terminal() }, false),
            (Setting { no_color_variable: some(""), ..terminal() }, true),
            (Setting { clicolor: some("0"), ..terminal() }, false),
            (Setting { clicolor_force: some("1"), ..Setting::default() }, true),
            (Setting { clicolor_force: some("0"), ..Setting::default() }, false),
            (Setting { term: some("dumb"), clicolor_force: some("1"), ..terminal() }, false),
            (
                Setting { clicolor_force: some("1"), no_color_variable: some("1"), ..terminal() },
                false,
            ),
        ];
        for (setting, color) in rows {
            let (ui, ..) = ui(setting.clone());
            assert_eq!(ui.screen().color, color, "{setting:?}");
        }
    }

    #[test]
    fn width_is_the_terminals_within_reason() {
        for (columns, width) in [(None, 100), (Some(0), 100), (Some(20), 60), (Some(400), 160)] {
            let (ui, ..) = ui(Setting { columns, ..terminal() });
            assert_eq!(ui.screen().width, width);
        }
    }

    #[test]
    fn data_and_talk_go_their_ways_and_quiet_silences_talk_alone() {
        let (ui, out, err) = ui(Setting { quiet: true, ..Setting::default() });
        ui.line("data");
        ui.talk("talk");
        ui.warn("careful\u{1b}[2J");
        assert_eq!(out.text(), "data\n");
        assert_eq!(err.text(), "warning: careful\\u{1b}[2J\n");
    }

    #[test]
    fn a_reader_that_goes_away_is_no_failure_and_a_full_disk_is() {
        let closed = |kind| {
            let ui = Ui::new(Setting::default(), Box::new(Wall(kind)), Box::new(Wall(kind)));
            ui.talk("talk");
            ui.line("a");
            ui.line("b");
            ui.finish()
        };
        assert_eq!(closed(io::ErrorKind::BrokenPipe), Err(Fault::Closed));
        assert!(matches!(closed(io::ErrorKind::StorageFull), Err(Fault::Failed(_))));
    }

    #[test]
    fn without_unicode_the_same_is_said_in_ascii() {
        let (ui, out, _) = ui(Setting { locale: Some("C".into()), ..terminal() });
        ui.line("a → b…");
        assert_eq!(out.text(), "a -> b...\n");
    }

    #[test]
    fn errors_are_data_where_json_was_asked_for() {
        let (ui, out, err) = ui(Setting { json: true, ..terminal() });
        ui.op_error(&OpError::Interrupted, None);
        let json: serde_json::Value = serde_json::from_str(&out.text()).unwrap();
        assert_eq!(
            (json["format_version"].as_str(), json["error"]["code"].as_u64()),
            (Some("1.0"), Some(130))
        );
        assert_eq!(err.text(), "");
        assert!(!ui.is_live());
    }
}
