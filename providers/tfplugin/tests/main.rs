//! Real plugins, and programs that behave badly, driven through the public interface.
//!
//! Real plugins are found through the environment. A test whose plugin is not there says so on
//! standard error, past the capture of the test harness, and does nothing else:
//!
//! * `GOV_TEST_PLUGIN_NULL` and `GOV_TEST_PLUGIN_FN`: the two example providers of the crate
//!   `tf-provider` 0.2.2 (`cargo install tf-provider@0.2.2 --example terraform-provider-null
//!   --example terraform-provider-fn`).
//! * `GOV_TEST_PLUGIN_MIRROR`: a folder with unpacked providers, laid out as
//!   `registry.terraform.io/hashicorp/aws/<version>/<os>_<arch>/terraform-provider-aws_v…`.
#![expect(clippy::disallowed_methods, reason = "IO: finds plugins, looks at processes and clocks")]

#[cfg(test)]
mod aws;
#[cfg(test)]
mod death;
#[cfg(test)]
mod function;
#[cfg(test)]
mod msgpack;
#[cfg(test)]
mod null;
#[cfg(test)]
mod script;
#[cfg(test)]
mod start;
#[cfg(test)]
mod trouble;

#[cfg(test)]
mod setting {
    use std::io::Write as _;
    use std::path::PathBuf;
    use std::time::Instant;

    use tfplugin::wire::Diagnostic;

    /// Writes where the test harness does not hide it.
    pub fn say(text: &str) {
        writeln!(std::io::stderr(), "{text}").unwrap();
    }

    /// The value of a variable that names a file or folder, or a loud word that it is missing.
    pub fn path_from(variable: &str, test: &str) -> Option<PathBuf> {
        let path = std::env::var_os(variable).filter(|path| !path.is_empty());
        if path.is_none() {
            say(&format!("SKIPPED: {test}: {variable} is not set"));
        }
        path.map(PathBuf::from)
    }

    /// Fails with everything that the provider said, if any of it is an error.
    pub fn no_errors(diagnostics: &[Diagnostic]) {
        assert!(!diagnostics.iter().any(Diagnostic::is_error), "{diagnostics:?}");
    }

    /// Says how long each step took.
    pub struct Stopwatch {
        name: &'static str,
        since: Instant,
        text: String,
    }

    impl Stopwatch {
        pub fn start(name: &'static str) -> Self {
            Self { name, since: Instant::now(), text: String::new() }
        }

        pub fn lap(&mut self, step: &str) {
            let ms = self.since.elapsed().as_secs_f64() * 1e3;
            self.text.push_str(&format!(" {step} {ms:.1} ms,"));
            self.since = Instant::now();
        }
    }

    impl Drop for Stopwatch {
        fn drop(&mut self) {
            say(&format!("TIMED: {}:{}", self.name, self.text.trim_end_matches(',')));
        }
    }
}
