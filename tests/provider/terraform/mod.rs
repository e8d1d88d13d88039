//! Real Terraform providers, driven through the provider contract as planner and machine do.
//!
//! Plugins are found through the environment. A test whose plugin is absent says so on standard
//! error, past the capture of the test harness, and does nothing else:
//!
//! * `GOV_TEST_PLUGIN_NULL`: the example provider `terraform-provider-null` of the crate
//!   `tf-provider` 0.2.2, of protocol 6.
//! * `GOV_TEST_PLUGIN_MIRROR`: a folder with unpacked providers, among them `hashicorp/aws`, and
//!   `GOV_TEST_MOTO`: the program `moto_server` that stands in for AWS.

mod aws;
mod desk;
mod null;
mod whole;

use std::io::Write as _;
use std::path::PathBuf;

/// Writes where the test harness does not hide it.
fn say(text: &str) {
    writeln!(std::io::stderr(), "{text}").unwrap();
}

/// The value of a variable that names a file or folder, or a loud word that it is missing.
#[expect(clippy::disallowed_methods, reason = "IO: finds plugins")]
fn path_from(variable: &str, test: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).filter(|path| !path.is_empty());
    if path.is_none() {
        say(&format!("SKIPPED: {test}: {variable} is not set"));
    }
    path.map(PathBuf::from)
}
