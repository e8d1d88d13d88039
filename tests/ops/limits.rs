//! Limits: what is beyond one is refused before anything is made, with the rule and the way out.

use gov::model::decision::Ground;
use gov::model::decision::Outcome;
use gov::model::digest::Digest;
use gov::model::digest::Domain;
use gov::model::limits::Limits;
use gov::ops::OpError;
use gov::ops::apply;
use gov::ops::apply::Consent;
use gov::policy::trust::Published;
use gov::policy::trust::Team;
use gov::policy::trust::Unpriced;
use gov::provider::sim::SimPlan;

use super::world::Always;
use super::world::World;
use super::world::blueprint;
use super::world::options;
use super::world::rules;

const OBJECT: &str = "[resource.sim_object.a]\nname = \"a\"\n";

fn databases(count: u32) -> String {
    format!(
        "[resource.sim_database.d]\ncount = {count}\nname = \"d-${{count.index}}\"\n\
         region = \"sim-1\"\n"
    )
}

fn objects(count: u32) -> String {
    format!("[resource.sim_object.a]\ncount = {count}\nname = \"a-${{count.index}}\"\n")
}

/// Refused by this rule on this ground, with a way out, and nothing was made.
fn refused(world: &World, text: &str, rule: &str, ground: Ground) {
    let error = world.apply("demo", text).err().unwrap();
    assert!(rules(&error).contains(&(rule, ground)), "{rule}: {error:?}");
    let OpError::Refused(decision) = &error else { panic!("{error:?}") };
    assert_eq!(decision.outcome, Outcome::Deny);
    assert!(decision.findings.iter().all(|found| !found.fix.is_empty()));
    assert_eq!((world.mutations(), world.live()), (0, 0), "{rule}");
    assert_eq!(world.events("environment-created"), 0, "{rule}");
    assert_eq!(world.events("decision-recorded"), 1, "{rule}");
}

/// G2 G4 G5 G7: each limit refuses alone, before anything exists, and the refusal is on record.
#[test]
fn g4_what_is_beyond_a_limit_is_refused_before_it_is_made() {
    let remote = |endpoint: &str| {
        format!("[resource.sim_remote.r]\nname = \"r\"\nendpoint = \"{endpoint}\"\n")
    };
    let declared = "\n[integrations.good]\nendpoint = \"https://good.example\"\n";
    let unknown_region = format!(
        "{OBJECT}[resource.sim_database.d]\nname = \"d\"\nregion = \"${{sim_object.a.endpoint}}\"\n"
    );
    let total = blueprint(&databases(1)).replace("total = \"50.00 USD\"", "total = \"0.20 USD\"");
    let rows = [
        (blueprint(&databases(3)), "budget", Ground::Money),
        (total, "budget", Ground::Money),
        (blueprint("[resource.sim_unpriced.u]\nname = \"u\"\n"), "unpriced", Ground::Money),
        (blueprint(&objects(61)), "resources", Ground::Policy),
        (blueprint(&databases(1).replace("sim-1", "sim-3")), "region", Ground::Policy),
        (blueprint(&unknown_region), "region", Ground::Policy),
        (blueprint(&remote("https://evil.example")), "integration", Ground::Policy),
        (
            blueprint(&(remote("https://good.example.evil.example") + declared)),
            "integration",
            Ground::Policy,
        ),
    ];
    for (text, rule, ground) in rows {
        refused(&World::new(SimPlan::calm()), &text, rule, ground);
    }
    let world = World::new(SimPlan::calm());
    world.apply("demo", &blueprint(&(remote("https://good.example/v1") + declared))).unwrap();
    assert_eq!(world.live(), 1);
}

/// G4: a team that the trust root does not list has no budget to be charged to.
#[test]
fn g4_an_unlisted_team_is_refused() {
    let mut world = World::new(SimPlan::calm());
    world.trust.teams.insert("cores".into(), Team::default());
    refused(&world, &blueprint(OBJECT), "team", Ground::Policy);
}

/// G4: the tightest of environment, blueprint, team and ceiling holds.
#[test]
fn g4_the_tightest_budget_wins() {
    let text = blueprint(&databases(1));
    let mut world = World::new(SimPlan::calm());
    let budget =
        gov::model::limits::Budget { monthly: Some("24 USD".parse().unwrap()), total: None };
    world.trust.teams.insert("core".into(), Team { budget });
    refused(&world, &text, "budget", Ground::Money);
    let mut world = World::new(SimPlan::calm());
    world.trust.ceiling.budget.monthly = Some("24 USD".parse().unwrap());
    refused(&world, &text, "budget", Ground::Money);
    let world = World::new(SimPlan::calm());
    let mut asked = options("demo", &text);
    asked.ask.budget = Some(budget);
    let error = world.apply_with(&asked, Consent::Yes).err().unwrap();
    assert!(rules(&error).contains(&("budget", Ground::Money)));
    asked.ask.budget = Some(gov::model::limits::Budget {
        monthly: Some("1000 USD".parse().unwrap()),
        total: None,
    });
    world.apply_with(&asked, Consent::Yes).unwrap();
    assert_eq!(world.snapshot("demo").record.budget.monthly, Some("50 USD".parse().unwrap()));
}

/// G8: scaling passes the same gate as making.
#[test]
fn g8_growing_beyond_a_limit_is_refused_and_changes_nothing() {
    let world = World::new(SimPlan::calm());
    world.apply("demo", &blueprint(&databases(2))).unwrap();
    let before = world.mutations();
    let error = world.apply("demo", &blueprint(&databases(3))).err().unwrap();
    assert!(rules(&error).contains(&("budget", Ground::Money)));
    let error = world.apply("demo", &blueprint(&(databases(2) + &objects(59)))).err().unwrap();
    assert!(rules(&error).contains(&("resources", Ground::Policy)));
    assert_eq!((world.mutations(), world.live()), (before, 2));
}

/// G5: what has no price passes only where the trust root says so, and that is on record.
#[test]
fn g5_the_trust_root_alone_lets_unpriced_things_pass() {
    let mut world = World::new(SimPlan::calm());
    world.trust.unpriced = Unpriced::Allow;
    let text = blueprint("[resource.sim_unpriced.u]\nname = \"u\"\n");
    let (_, _, decision) = world.apply("demo", &text).unwrap().plan.unwrap();
    assert!(decision.findings.iter().any(|found| found.rule == "unpriced"));
    assert_eq!(world.live(), 1);
}

#[test]
fn a_protected_resource_is_not_deleted() {
    let kept = "lifecycle = { prevent_destroy = true }\n";
    let world = World::new(SimPlan::calm());
    world.apply("demo", &blueprint(&format!("{OBJECT}{kept}"))).unwrap();
    let moved = blueprint(&format!("{OBJECT}{kept}zone = \"z2\"\n"));
    let error = world.apply("demo", &moved).err().unwrap();
    assert!(rules(&error).contains(&("protected", Ground::Policy)));
    for consent in [Consent::Yes, Consent::Human] {
        let error = world.destroy("demo", consent).err().unwrap();
        assert!(rules(&error).contains(&("protected", Ground::Policy)));
    }
    // Taking the block out of the blueprint does not take its protection away.
    let error = world.apply("demo", &blueprint("")).err().unwrap();
    assert!(rules(&error).contains(&("protected", Ground::Policy)));
    assert_eq!((world.live(), world.mutations()), (1, 1));
}

/// K21: deleting data takes a human's word at a terminal, whichever way it would be deleted.
#[test]
fn k21_data_is_deleted_by_a_humans_word_alone() {
    let world = World::new(SimPlan::calm());
    let text = blueprint(&databases(1)).replace("delete-data", "keep-data");
    world.apply("demo", &text).unwrap();
    let moved = blueprint(&databases(1).replace("sim-1", "sim-2"));
    let moved = moved.replace("delete-data", "keep-data");
    for error in [
        world.destroy("demo", Consent::Yes).err().unwrap(),
        world.apply("demo", &moved).err().unwrap(),
        world.apply("demo", &text.replace("count = 1", "count = 0")).err().unwrap(),
    ] {
        assert!(rules(&error).contains(&("data", Ground::Policy)), "{error:?}");
        let OpError::Refused(decision) = error else { panic!() };
        assert_eq!(decision.outcome, Outcome::NeedsApproval);
    }
    assert_eq!(world.live(), 1);
    world.destroy("demo", Consent::Human).unwrap();
    assert_eq!(world.live(), 0);
}

/// K21: whoever may apply cannot consent, later, to what was not consented to when the
/// environment was made.
#[test]
fn k21_consent_to_deleting_data_is_not_given_afterwards() {
    let world = World::new(SimPlan::calm());
    let keeps = blueprint(&databases(1)).replace("delete-data", "keep-data");
    world.apply("demo", &keeps).unwrap();
    world.apply("demo", &blueprint(&databases(1))).unwrap();
    let error = world.destroy("demo", Consent::Yes).err().unwrap();
    assert!(rules(&error).contains(&("data", Ground::Policy)), "{error:?}");
    world.expire("demo").unwrap();
    world.clock.advance("15m");
    let report = world.reap_all();
    assert!(matches!(report.lines[0].outcome, gov::ops::reap::Outcome::Held(_)), "{report:?}");
    assert_eq!(world.live(), 1);
}

/// G1: the ceiling of the trust root bounds a blueprint that nobody published; a published one has
/// limits of its own, for exactly its bytes.
#[test]
fn g1_the_trust_root_bounds_blueprints_by_their_digest() {
    let text = blueprint(&objects(3));
    let mut world = World::new(SimPlan::calm());
    world.trust.ceiling.resources = Some(2);
    refused(&world, &text, "resources", Ground::Policy);
    let limits = Limits { resources: Some(3), ..world.trust.ceiling.clone() };
    let digest = Digest::of(Domain::Blueprint, text.as_bytes());
    world.trust.published.insert(digest, Published { name: "test".into(), limits });
    world.apply("demo", &text).unwrap();
    assert!(world.snapshot("demo").record.blueprint.published);
    let edited = format!("{text}# edited\n");
    let error = world.apply("other", &edited).err().unwrap();
    assert!(rules(&error).contains(&("resources", Ground::Policy)));
}

/// Must show 6: whatever the blueprint says of limits, the trust root's hold.
#[test]
fn g1_editing_the_limits_of_a_blueprint_gains_nothing() {
    let wide = |text: String| {
        text.replace("max = \"24h\", max_total = \"72h\"", "max = \"9000h\", max_total = \"9000h\"")
            .replace("50.00 USD", "9999.00 USD")
            .replace("resources = 60", "resources = 9999")
    };
    let world = World::new(SimPlan::calm());
    let mut asked = options("demo", &wide(blueprint(OBJECT)));
    asked.ask.term = Some(gov::model::lifetime::Term::For("169h".parse().unwrap()));
    let error = world.apply_with(&asked, Consent::Yes).err().unwrap();
    assert!(rules(&error).contains(&("ttl", Ground::Policy)), "{error:?}");
    for (text, rule, ground) in [
        (wide(blueprint(&databases(5))), "budget", Ground::Money),
        (wide(blueprint(&objects(501))), "resources", Ground::Policy),
    ] {
        refused(&World::new(SimPlan::calm()), &text, rule, ground);
    }
    // Nor for an environment that lives: its budget stays what it was admitted with.
    let world = World::new(SimPlan::calm());
    world.apply("demo", &blueprint(&databases(2))).unwrap();
    let error = world.apply("demo", &wide(blueprint(&databases(3)))).err().unwrap();
    assert!(rules(&error).contains(&("budget", Ground::Money)));
    let expiry = world.expiry("demo");
    world.apply("demo", &wide(blueprint(&databases(2)))).unwrap();
    let error = world.extend("demo", gov::model::lifetime::Term::For("169h".parse().unwrap()));
    assert!(matches!(error, Err(OpError::Life(_))));
    assert_eq!((world.live(), world.expiry("demo")), (2, expiry));
}

/// G3: a saved plan is judged under the trust root of the day it is applied.
#[test]
fn g3_a_saved_plan_is_judged_anew() {
    let mut world = World::new(SimPlan::calm());
    let text = blueprint(&objects(3));
    let saved = world.plan("demo", &text).unwrap();
    assert_eq!(saved.decision.outcome, Outcome::Allow);
    let allowed = world.trust.clone();
    world.trust.ceiling.resources = Some(2);
    let apply = |world: &World| {
        let context = world.context();
        world.driven(apply::apply_plan(&context, &saved.plan, &Always(Consent::Yes)))
    };
    let error = apply(&world).err().unwrap();
    assert!(rules(&error).contains(&("resources", Ground::Policy)), "{error:?}");
    assert_eq!(world.live(), 0);
    world.trust = allowed;
    apply(&world).unwrap();
    assert_eq!(world.live(), 3);
    // It was for an empty environment, and applies once.
    assert!(matches!(apply(&world), Err(OpError::Usage(_))));
}
