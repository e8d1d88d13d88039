//! What people and scripts are shown, as golden files at three widths, and what they never are.

use std::collections::BTreeMap;

use gov::cli::render::Screen;
use gov::cli::render::ending;
use gov::cli::render::history;
use gov::cli::render::list;
use gov::cli::render::plan as render_plan;
use gov::cli::render::plan::Proposed;
use gov::cli::render::show;
use gov::cli::render::text::columns;
use gov::cli::render::why;
use gov::engine::machine::Ending;
use gov::engine::machine::StepEnd;
use gov::model::cost::Cost;
use gov::model::event::RunOutcome;
use gov::model::id::EnvironmentId;
use gov::model::plan::Action;
use gov::model::plan::Plan;
use gov::model::plan::PlanKind;
use gov::model::plan::Reason;
use gov::model::plan::StepAction;
use gov::ops::apply::Report;
use gov::state::snapshot::Snapshot;
use gov::state::summary::Ledger;

use super::fixture;
use super::fixture::CIPHERTEXT;
use super::fixture::NOW;
use crate::golden;

/// The widths that every page is made for.
const WIDTHS: [usize; 3] = [60, 100, 160];

fn check(name: &str, actual: &str) {
    let path = golden::folder("cli/render").join(name);
    golden::check(&path, actual).unwrap_or_else(|difference| panic!("{difference}"));
}

/// A page at every width, compared, and free of secrets and of control characters.
fn pages(name: &str, page: impl Fn(&Screen) -> String) {
    for width in WIDTHS {
        let text = page(&Screen::plain(width));
        harmless(&text);
        check(&format!("{name}-{width}.txt"), &text);
    }
}

fn harmless(text: &str) {
    assert!(!text.contains(CIPHERTEXT) && !text.contains("s1:"), "a secret shows:\n{text}");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "a control character:\n{text}");
}

fn proposed(plan: &Plan, page: impl Fn(&Proposed<'_>)) {
    let (quote, decision) = (fixture::quote(), fixture::decision());
    page(&Proposed {
        plan,
        quote: &quote,
        decision: Some(&decision),
        life: Some(fixture::life()),
        before: None,
        now: NOW,
    });
}

#[test]
fn a_plan_reads_the_same_at_every_width_and_in_colour() {
    let plan = fixture::busy();
    let mut before = plan.record.clone();
    before.identity.owner = "bob".into();
    before.inputs.remove("size");
    proposed(&plan, |proposed| {
        let proposed = Proposed { before: Some(&before), ..*proposed };
        pages("plan", |screen| render_plan::text(screen, &proposed));
        let screen = Screen { color: true, ..Screen::plain(100) };
        let coloured = render_plan::text(&screen, &proposed);
        check("plan-100-color.txt", &coloured);
        // Colour says nothing that the words do not.
        let mut bare = coloured;
        for code in ["0", "1", "2", "31", "32", "33", "36"] {
            bare = bare.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(bare, render_plan::text(&Screen::plain(100), &proposed));
    });
}

#[test]
fn lines_of_prose_keep_within_the_screen() {
    proposed(&fixture::busy(), |proposed| {
        for width in WIDTHS {
            let text = render_plan::text(&Screen::plain(width), proposed);
            for line in text.lines() {
                assert!(columns(line) <= width, "{width}: {line}");
            }
        }
    });
}

#[test]
fn a_new_environment_says_whose_it_is_and_why() {
    let mut created = fixture::change("local_file.b", Action::Create, Reason::Differs);
    created.config = fixture::map(&[("content", fixture::secret()), ("path", fixture::text("b"))]);
    created.planned = created.config.clone();
    let mut plan = fixture::plan(PlanKind::Apply, vec![created]);
    plan.is_new = true;
    let allowed = fixture::allowed();
    proposed(&plan, |proposed| {
        let proposed = Proposed { decision: Some(&allowed), ..*proposed };
        pages("new", |screen| render_plan::text(screen, &proposed));
    });
}

#[test]
fn taking_down_names_what_is_held() {
    let mut held = fixture::change("sim_disk.data", Action::Hold, Reason::EnvironmentEnds);
    held.facts.bears_data = true;
    held.prior = Some(fixture::object(fixture::map(&[])));
    let gone = fixture::change("local_file.a", Action::Delete, Reason::EnvironmentEnds);
    let plan = fixture::plan(PlanKind::Reap, vec![gone, held]);
    proposed(&plan, |proposed| {
        pages("reap-plan", |screen| render_plan::text(screen, proposed));
    });
}

#[test]
fn an_empty_plan_is_one_line() {
    let kept = fixture::change("local_file.same", Action::NoOp, Reason::Differs);
    let plan = fixture::plan(PlanKind::Apply, vec![kept]);
    let allowed = fixture::allowed();
    proposed(&plan, |proposed| {
        let proposed =
            Proposed { decision: Some(&allowed), before: Some(&plan.record), ..*proposed };
        let text = render_plan::text(&Screen::plain(100), &proposed);
        assert_eq!(text, "Nothing to do: dev is what its blueprint says.\n");
        let mut before = plan.record.clone();
        before.identity.purpose = "another".into();
        let changed = Proposed { before: Some(&before), ..proposed };
        assert!(render_plan::text(&Screen::plain(100), &changed).contains("~ purpose:"));
    });
}

#[test]
fn json_has_a_version_and_no_secret() {
    proposed(&fixture::busy(), |proposed| {
        let json = render_plan::json(proposed);
        let text = format!("{json:#}\n");
        assert!(!text.contains(CIPHERTEXT) && !text.contains("s1:"), "{text}");
        assert_eq!(json["format_version"], "1.0");
        assert_eq!(json["decision"]["code"], 7);
        check("plan.json", &text);
    });
}

/// Unfolded, everything shows whole, and secrets still do not.
#[test]
fn unfolding_shows_long_values_and_never_secrets() {
    proposed(&fixture::busy(), |proposed| {
        let screen = Screen { unfold: true, ..Screen::plain(100) };
        let text = render_plan::text(&screen, proposed);
        harmless(&text);
        assert!(!text.contains("characters)") && text.contains("(sensitive)"), "{text}");
    });
}

fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.apply(&[fixture::founded()]).unwrap();
    ledger.apply(&fixture::story()).unwrap();
    ledger
}

fn snapshot() -> Snapshot {
    let story = fixture::story();
    let mut snapshot = Snapshot::begin(EnvironmentId(fixture::ulid(2)), &story[0]).unwrap();
    for recorded in &story[1..] {
        snapshot.apply(recorded).unwrap();
    }
    snapshot.outputs = BTreeMap::from([
        ("home".into(), fixture::text("/srv/dev")),
        ("password".into(), fixture::secret()),
    ]);
    snapshot
}

#[test]
fn the_list_fits_every_screen_and_says_where_the_store_is() {
    let ledger = ledger();
    let rows: Vec<_> = ledger.environments.values().collect();
    let listing = list::Listing {
        ledger: &ledger,
        rows,
        filtered: false,
        location: "/var/lib/gov",
        may_wake: &|_| false,
        now: NOW.plus("13h".parse().unwrap()),
    };
    pages("list", |screen| list::text(screen, &listing));
    let json = list::json(&listing);
    assert_eq!(json["overdue"][0], "dev");
    // A killed holder left its lease behind: the run is interrupted, not under way.
    let states = serde_json::json!(["OVERDUE", "interrupted"]);
    assert_eq!(json["environments"][0]["states"], states);
    let nothing = Ledger::default();
    let empty = list::Listing { ledger: &nothing, rows: Vec::new(), ..listing };
    pages("list-empty", |screen| list::text(screen, &empty));
}

/// G23, G24: purpose, owner, decisions, cost and life stand in one record.
#[test]
fn g23_g24_one_record_tells_why_an_environment_exists() {
    let (snapshot, story) = (snapshot(), fixture::story());
    let cost = Cost::priced("12 USD".parse().unwrap());
    let answerable = BTreeMap::new();
    let asked = why::Asked {
        snapshot: &snapshot,
        cost: Some(&cost),
        events: &story,
        answerable: &answerable,
        now: NOW,
    };
    pages("why", |screen| why::text(screen, &asked));
    let json = why::json(&asked);
    assert_eq!(json["record"]["owner"], "ann");
    assert_eq!(json["decisions"].as_array().unwrap().len(), 3);
}

#[test]
fn one_environment_is_shown_whole() {
    let snapshot = snapshot();
    let shown = show::Shown {
        snapshot: &snapshot,
        cost: None,
        frozen: Some("audit"),
        may_wake: true,
        now: NOW,
    };
    pages("show", |screen| show::text(screen, &shown));
    assert!(!show::json(&shown).to_string().contains("s1:"));
}

#[test]
fn history_has_one_line_for_each_event() {
    let story = fixture::story();
    let text = history::text(&Screen::plain(100), &story, None);
    harmless(&text);
    assert_eq!(text.lines().count(), story.len());
    check("history.txt", &text);
    let json = history::json(&story).to_string();
    assert!(!json.contains("s1:") && !json.contains('\u{1b}'), "{json}");
}

#[test]
fn a_report_says_what_was_done_and_what_exists() {
    let plan = fixture::busy();
    let step = |address: &str, action, end| (address.parse().unwrap(), action, end);
    let report = Report {
        name: "dev".into(),
        environment: plan.environment,
        plan: Some((plan, fixture::quote(), fixture::allowed())),
        ending: Some(Ending {
            outcome: Some(RunOutcome::Partial),
            steps: vec![
                step("local_file.b", StepAction::Create, StepEnd::Succeeded),
                step(
                    "sim_disk.data",
                    StepAction::Delete,
                    StepEnd::Failed("disk\u{1b} busy".into()),
                ),
                step("sim_server.web", StepAction::Update, StepEnd::NotBegun),
            ],
            stopped: Some("everything is frozen".into()),
        }),
        resumed: true,
        life: Some(fixture::life()),
        outputs: BTreeMap::from([("password".into(), fixture::secret())]),
        scheduled: false,
        declined: false,
    };
    pages("report", |screen| ending::report(screen, &report, NOW));
    let json = ending::report_json(&report);
    assert_eq!(json["ending"]["code"], 8);
    assert!(!json.to_string().contains("s1:"));
}
