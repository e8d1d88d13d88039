//! The rules of dependencies: licences, bans, duplicates, sources and advisories.
//!
//! The rules are data: `.deny.toml` at the root and `xtask/advisories.toml`. What is judged is what
//! cargo would build for the targets that `.deny.toml` names, with every feature on; crates that
//! the lock file names and nothing builds are not. An exception that no longer applies is itself a
//! finding, so that the list never outgrows its reasons. It is our own check because cargo-deny
//! takes minutes to compile on a small machine and fetches its advisories from the internet, which
//! a bare machine does not have; docs/decisions/0001-own-deny.md weighs that.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use toml::Table;

use crate::licence;
use crate::report::Finding;
use crate::report::conclude;
use crate::tree;
use crate::version::Version;

const CONFIG: &str = ".deny.toml";
const ADVISORIES: &str = "xtask/advisories.toml";

/// A crate as cargo would build it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Package {
    name: String,
    version: String,
    licence: Option<String>,
    /// None for a crate that is a folder on disk.
    source: Option<String>,
    member: bool,
}

/// What is checked, and the texts that findings point into.
struct Input {
    packages: Vec<Package>,
    config: Document,
    advisories: Document,
    lock: String,
}

/// A TOML file with its text, for the lines of findings.
struct Document {
    path: &'static str,
    text: String,
    table: Table,
}

/// Checks the dependencies of the repository at `root`. 0 where nothing is found, otherwise 1.
///
/// # Errors
///
/// Where cargo fails, or a file cannot be read or is not of its form.
pub fn run(root: &Path) -> Result<u8, String> {
    let config = Document::read(root, CONFIG)?;
    let targets = strings(&config.table, "targets")?;
    let input = Input {
        packages: packages(root, &targets)?,
        advisories: Document::read(root, ADVISORIES)?,
        lock: tree::read_file(&root.join("Cargo.lock"))?,
        config,
    };
    let findings = check(&input)?;
    Ok(u8::from(!conclude("deny", findings)))
}

fn check(input: &Input) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    licences(input, &mut findings)?;
    bans(input, &mut findings)?;
    duplicates(input, &mut findings)?;
    sources(input, &mut findings)?;
    advisories(input, &mut findings)?;
    Ok(findings)
}

fn licences(input: &Input, findings: &mut Vec<Finding>) -> Result<(), String> {
    let allowed = strings(&input.config.table, "licences")?.into_iter().collect();
    for package in &input.packages {
        let verdict = match &package.licence {
            Some(expression) => licence::satisfied(expression, &allowed),
            None => Err("it states none".to_owned()),
        };
        let what = match (verdict, &package.licence) {
            (Ok(true), _) => continue,
            (Ok(false), expression) => {
                format!("{} is under `{}`", package.name, expression.as_deref().unwrap_or_default())
            }
            (Err(why), _) => format!("the licence of {} is unclear: {why}", package.name),
        };
        findings.push(input.at_package(
            package,
            "licence",
            what,
            "replace the crate, or add the licence to `licences` in .deny.toml once it is accepted",
        ));
    }
    Ok(())
}

fn bans(input: &Input, findings: &mut Vec<Finding>) -> Result<(), String> {
    let present: BTreeSet<&str> =
        input.packages.iter().map(|package| package.name.as_str()).collect();
    for row in rows(&input.config.table, "ban")? {
        let (name, reason) = (string(row, "name")?, string(row, "reason")?);
        if let Some(other) = row.get("beside").and_then(toml::Value::as_str)
            && !present.contains(other)
        {
            continue;
        }
        for package in input.packages.iter().filter(|package| package.name == name) {
            findings.push(input.at_package(
                package,
                "ban",
                format!("{name} is banned: {reason}"),
                "turn off the feature that pulls it, or replace who does (`cargo tree -i`)",
            ));
        }
    }
    Ok(())
}

fn duplicates(input: &Input, findings: &mut Vec<Finding>) -> Result<(), String> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in &input.packages {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    versions.retain(|_, found| found.len() > 1);
    for row in rows(&input.config.table, "duplicate")? {
        let name = string(row, "name")?;
        string(row, "reason")?;
        let lines = strings(row, "versions")?;
        let found = versions.remove(name).unwrap_or_default();
        let on_a_line = |version: &&str| lines.iter().any(|line| is_on_line(version, line));
        let is_used = |line: &String| found.iter().any(|version| is_on_line(version, line));
        if found.iter().all(on_a_line) && lines.iter().all(is_used) {
            continue;
        }
        let found: Vec<&str> = found.into_iter().collect();
        findings.push(input.config.at(
            name,
            "duplicate",
            format!("{name} is excepted at {}, found at [{}]", lines.join(", "), found.join(", ")),
            "make the row say what is there, or delete it",
        ));
    }
    for (name, found) in versions {
        let list: Vec<&str> = found.into_iter().collect();
        if let Some(package) = input.packages.iter().find(|package| package.name == name) {
            findings.push(input.at_package(
                package,
                "duplicate",
                format!("{name} is built {} times: {}", list.len(), list.join(", ")),
                "bring its users to one version, or add a [[duplicate]] with a reason",
            ));
        }
    }
    Ok(())
}

/// Whether `1.2.3` belongs to the line `1.2`, and to `1.2.3` itself.
fn is_on_line(version: &str, line: &str) -> bool {
    let plain = version.split('+').next().unwrap_or(version);
    plain == line || plain.strip_prefix(line).is_some_and(|rest| rest.starts_with('.'))
}

fn sources(input: &Input, findings: &mut Vec<Finding>) -> Result<(), String> {
    let allowed = strings(&input.config.table, "registries")?;
    for package in &input.packages {
        let what = match &package.source {
            Some(source) if !allowed.contains(source) => {
                format!("{} is from {source}", package.name)
            }
            None if !package.member => format!("{} is a folder beside the workspace", package.name),
            _ => continue,
        };
        let fix = "take it from crates.io; sources elsewhere change without a version";
        findings.push(input.at_package(package, "source", what, fix));
    }
    Ok(())
}

fn advisories(input: &Input, findings: &mut Vec<Finding>) -> Result<(), String> {
    let mut ignored = BTreeMap::new();
    for row in rows(&input.config.table, "ignore")? {
        ignored.insert(string(row, "id")?, string(row, "reason")?);
    }
    let mut used = BTreeSet::new();
    for row in rows(&input.advisories.table, "advisory")? {
        let (id, name) = (string(row, "id")?, string(row, "crate")?);
        let (kind, title) = (string(row, "kind")?, string(row, "title")?);
        let mut safe = strings(row, "patched")?;
        if row.contains_key("unaffected") {
            safe.extend(strings(row, "unaffected")?);
        }
        let mut affected = Vec::new();
        for package in input.packages.iter().filter(|package| package.name == name) {
            let version = Version::parse(&package.version)?;
            let mut meets = false;
            for requirement in &safe {
                meets |= version.meets(requirement).map_err(|why| format!("{id}: {why}"))?;
            }
            if !meets {
                affected.push(package);
            }
        }
        // One advisory may have rows for several crates, so its exception serves them all.
        if !affected.is_empty() && ignored.contains_key(id) {
            used.insert(id);
            continue;
        }
        for package in affected {
            findings.push(input.at_package(
                package,
                "advisory",
                format!("{id} ({kind}): {title}"),
                match strings(row, "patched")?.as_slice() {
                    [] => {
                        "replace the crate, or add an [[ignore]] with a reason to .deny.toml".into()
                    }
                    patched => format!("take {name} {}", patched.join(" or ")),
                },
            ));
        }
    }
    for id in ignored.into_keys().filter(|id| !used.contains(id)) {
        let fix = "delete the row";
        findings.push(input.config.at(id, "advisory", format!("{id} touches nothing here"), fix));
    }
    Ok(())
}

impl Input {
    /// A finding at the place of a crate in the lock file.
    fn at_package(
        &self,
        package: &Package,
        rule: &'static str,
        what: String,
        fix: impl Into<String>,
    ) -> Finding {
        let block = format!("name = \"{}\"\nversion = \"{}\"", package.name, package.version);
        Finding::new("Cargo.lock", line_of(&self.lock, &block), rule, what, fix)
    }
}

impl Document {
    fn read(root: &Path, path: &'static str) -> Result<Self, String> {
        Self::parse(path, tree::read_file(&root.join(path))?)
    }

    fn parse(path: &'static str, text: String) -> Result<Self, String> {
        let table = text.parse::<Table>().map_err(|error| format!("{path}: {error}"))?;
        Ok(Self { path, text, table })
    }

    /// A finding at the first line that has `name` in quotes.
    fn at(&self, name: &str, rule: &'static str, what: String, fix: &str) -> Finding {
        Finding::new(self.path, line_of(&self.text, &format!("\"{name}\"")), rule, what, fix)
    }
}

fn line_of(text: &str, part: &str) -> usize {
    let before = text.find(part).and_then(|at| text.get(..at)).unwrap_or_default();
    before.matches('\n').count() + 1
}

fn rows<'a>(table: &'a Table, key: &str) -> Result<Vec<&'a Table>, String> {
    let Some(list) = table.get(key) else { return Ok(Vec::new()) };
    let list = list.as_array().ok_or_else(|| format!("`{key}` must be written as [[{key}]]"))?;
    list.iter()
        .map(|row| row.as_table().ok_or_else(|| format!("`{key}` must be written as [[{key}]]")))
        .collect()
}

fn string<'a>(row: &'a Table, key: &str) -> Result<&'a str, String> {
    let text = row.get(key).and_then(toml::Value::as_str).map(str::trim);
    text.filter(|text| !text.is_empty())
        .ok_or_else(|| format!("a row needs `{key}` as text, and not empty: {row:?}"))
}

fn strings(row: &Table, key: &str) -> Result<Vec<String>, String> {
    let bad = || format!("`{key}` must be a list of texts");
    let list = row.get(key).and_then(toml::Value::as_array).ok_or_else(bad)?;
    list.iter().map(|text| text.as_str().map(str::to_owned).ok_or_else(bad)).collect()
}

/// The crates that cargo would build for the targets, with what their manifests say.
fn packages(root: &Path, targets: &[String]) -> Result<Vec<Package>, String> {
    let mut metadata = vec!["metadata", "--format-version=1", "--locked", "--all-features"];
    let mut listing = vec!["tree", "--workspace", "--locked", "--all-features", "--prefix=none"];
    listing.extend(["--format={p}", "--edges=normal,build,dev"]);
    for target in targets {
        metadata.extend(["--filter-platform", target]);
        listing.extend(["--target", target]);
    }
    let built = built(&tree::output(root, "cargo", &listing)?);
    let metadata = tree::output(root, "cargo", &metadata)?;
    let metadata: Value = serde_json::from_str(&metadata)
        .map_err(|error| format!("cargo metadata is not JSON: {error}"))?;
    chosen(described(&metadata)?, built)
}

/// The described packages that are built; every one of these must be described.
fn chosen(
    described: Vec<Package>,
    mut built: BTreeSet<(String, String)>,
) -> Result<Vec<Package>, String> {
    let pair = |package: &Package| (package.name.clone(), package.version.clone());
    let mut packages = described;
    packages.retain(|package| built.contains(&pair(package)));
    packages.sort();
    if packages.is_empty() {
        return Err("cargo names no package at all; a check of nothing passes nothing".to_owned());
    }
    for package in &packages {
        built.remove(&pair(package));
    }
    match built.first() {
        None => Ok(packages),
        Some((name, version)) => {
            Err(format!("cargo builds {name} {version} and does not describe it"))
        }
    }
}

/// Name and version from the lines of `cargo tree`: `name v1.2.3 (more)`.
fn built(listing: &str) -> BTreeSet<(String, String)> {
    let pair = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        Some((name, words.next()?.strip_prefix('v')?.to_owned()))
    };
    listing.lines().filter_map(pair).collect()
}

/// The packages of `cargo metadata`.
fn described(metadata: &Value) -> Result<Vec<Package>, String> {
    let list = |key: &str| {
        metadata
            .get(key)
            .and_then(Value::as_array)
            .ok_or_else(|| format!("cargo metadata has no `{key}`"))
    };
    let members: BTreeSet<&str> =
        list("workspace_members")?.iter().filter_map(Value::as_str).collect();
    let mut packages = Vec::new();
    for package in list("packages")? {
        let text = |key: &str| package.get(key).and_then(Value::as_str);
        let needed = |key: &str| {
            text(key).ok_or_else(|| format!("cargo metadata has a package without `{key}`"))
        };
        packages.push(Package {
            name: needed("name")?.to_owned(),
            version: needed("version")?.to_owned(),
            licence: text("license").map(str::to_owned),
            source: text("source").map(str::to_owned),
            member: members.contains(needed("id")?),
        });
    }
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

    fn package(name: &str, version: &str) -> Package {
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            licence: Some("MIT".to_owned()),
            source: Some(CRATES_IO.to_owned()),
            member: false,
        }
    }

    fn found(packages: Vec<Package>, config: &str, advisories: &str) -> Vec<String> {
        let config = format!("licences = [\"MIT\"]\nregistries = [\"{CRATES_IO}\"]\n{config}");
        let input = Input {
            packages,
            config: Document::parse(CONFIG, config).unwrap(),
            advisories: Document::parse(ADVISORIES, advisories.to_owned()).unwrap(),
            lock: "name = \"b\"\nversion = \"1.0.0\"\n".to_owned(),
        };
        check(&input).unwrap().iter().map(|f| format!("{}: {}", f.rule, f.what)).collect()
    }

    #[test]
    fn a_clean_tree_has_no_findings() {
        assert!(found(vec![package("a", "1.0.0"), package("b", "1.0.0")], "", "").is_empty());
    }

    #[test]
    fn licences_outside_the_list_and_missing_ones_are_found() {
        let copyleft = Package { licence: Some("GPL-3.0".to_owned()), ..package("a", "1.0.0") };
        let silent = Package { licence: None, ..package("b", "1.0.0") };
        assert_eq!(
            found(vec![copyleft, silent], "", ""),
            [
                "licence: a is under `GPL-3.0`",
                "licence: the licence of b is unclear: it states none"
            ]
        );
    }

    #[test]
    fn a_ban_may_hold_only_beside_another_crate() {
        let config = "[[ban]]\nname = \"a\"\nbeside = \"b\"\nreason = \"one is enough\"\n";
        assert!(found(vec![package("a", "1.0.0")], config, "").is_empty());
        assert_eq!(
            found(vec![package("a", "1.0.0"), package("b", "1.0.0")], config, ""),
            ["ban: a is banned: one is enough"]
        );
    }

    #[test]
    fn duplicates_need_a_row_that_fits() {
        let two = || vec![package("a", "1.2.3"), package("a", "2.0.0")];
        let row = |versions: &str| {
            format!("[[duplicate]]\nname = \"a\"\nversions = {versions}\nreason = \"r\"\n")
        };
        assert_eq!(found(two(), "", ""), ["duplicate: a is built 2 times: 1.2.3, 2.0.0"]);
        assert!(found(two(), &row("[\"1.2\", \"2.0\"]"), "").is_empty());
        assert_eq!(found(two(), &row("[\"1.2\", \"3.0\"]"), "").len(), 1);
        assert_eq!(found(two(), &row("[\"1.2\", \"2.0\", \"3.0\"]"), "").len(), 1);
        assert_eq!(found(vec![package("a", "1.2.3")], &row("[\"1.2\"]"), "").len(), 1);
    }

    #[test]
    fn sources_elsewhere_and_folders_beside_the_workspace_are_found() {
        let git = Package { source: Some("git+https://x/y".to_owned()), ..package("a", "1.0.0") };
        let folder = Package { source: None, ..package("b", "1.0.0") };
        let member = Package { source: None, member: true, ..package("c", "1.0.0") };
        assert_eq!(found(vec![git, folder, member], "", "").len(), 2);
    }

    #[test]
    fn advisories_apply_by_version_and_end_with_a_patch() {
        let advisory = "[[advisory]]\nid = \"RUSTSEC-2026-0001\"\ncrate = \"a\"\n\
                        kind = \"unsound\"\ntitle = \"t\"\npatched = [\">= 1.5\"]\n\
                        unaffected = [\"< 1.0.0\"]\n";
        let hit = ["advisory: RUSTSEC-2026-0001 (unsound): t"];
        let ignore = "[[ignore]]\nid = \"RUSTSEC-2026-0001\"\nreason = \"r\"\n";
        assert_eq!(found(vec![package("a", "1.4.0")], "", advisory), hit);
        assert!(found(vec![package("a", "1.5.0")], "", advisory).is_empty());
        assert!(found(vec![package("a", "0.9.0")], "", advisory).is_empty());
        assert!(found(vec![package("a", "1.4.0")], ignore, advisory).is_empty());
        assert_eq!(
            found(vec![package("a", "1.5.0")], ignore, advisory),
            ["advisory: RUSTSEC-2026-0001 touches nothing here"]
        );
    }

    #[test]
    fn rows_without_a_reason_are_refused() {
        let table = "[[ban]]\nname = \"a\"\nreason = \" \"\n".parse::<Table>().unwrap();
        let row = rows(&table, "ban").unwrap()[0];
        assert!(string(row, "reason").is_err());
    }

    #[test]
    fn one_exception_serves_every_crate_of_an_advisory() {
        let row = |name: &str| {
            format!(
                "[[advisory]]\nid = \"RUSTSEC-2026-0001\"\ncrate = \"{name}\"\n\
                 kind = \"unmaintained\"\ntitle = \"t\"\npatched = []\n"
            )
        };
        let advisories = row("a") + &row("b");
        let ignore = "[[ignore]]\nid = \"RUSTSEC-2026-0001\"\nreason = \"r\"\n";
        let packages = || vec![package("a", "1.0.0"), package("b", "1.0.0")];
        assert_eq!(found(packages(), "", &advisories).len(), 2);
        assert!(found(packages(), ignore, &advisories).is_empty());
    }

    #[test]
    fn what_is_built_is_judged_and_nothing_else() {
        let built = |list: &[(&str, &str)]| {
            list.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect()
        };
        let described = || vec![package("a", "1.0.0"), package("b", "1.0.0")];
        let only_a = chosen(described(), built(&[("a", "1.0.0")])).unwrap();
        assert_eq!(only_a, [package("a", "1.0.0")]);
        assert!(chosen(described(), built(&[("a", "1.0.0"), ("c", "1.0.0")])).is_err());
        assert!(chosen(described(), built(&[])).is_err());
    }

    #[test]
    fn the_listing_of_cargo_tree_is_read_by_name_and_version() {
        let listing = "gov v0.1.0 (/x/y)\nserde_derive v1.0.2 (proc-macro)\n\n[dev-dependencies]\n";
        let built = built(listing);
        assert_eq!(built.len(), 2);
        assert!(built.contains(&("serde_derive".to_owned(), "1.0.2".to_owned())));
    }
}
