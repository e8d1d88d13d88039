//! Authority is not in the working folder: whatever a requester can write may narrow what the
//! trust root allows, and never widens it.

use super::harness;
use super::harness::ASK;
use super::harness::Gov;
use super::harness::World;
use super::harness::resources;

/// A blueprint that allows itself everything.
fn greedy(world: &World) -> String {
    let text = harness::read(&world.work().join("blueprint.toml"));
    text.replace("max = \"8h\"", "max = \"400d\"")
        .replace("max_total = \"24h\"", "max_total = \"900d\"")
        .replace("\"1.00 USD\"", "\"999999.00 USD\"")
        .replace("resources = 5", "resources = 5000")
}

fn digest(world: &World) -> String {
    let document = world.ok(&["check", "blueprint.toml", "--json"]).json();
    document["digest"].as_str().unwrap().to_owned()
}

/// Must show 6: a blueprint's own `[limits]` never pass the ceiling.
#[test]
fn editing_limits_gains_nothing() {
    let world = World::of("note");
    world.write("blueprint.toml", &greedy(&world));
    let make = |more: &[&str]| world.make("dev").args(more).run();
    make(&["--ttl", "8d"]).exits(3).says("[ttl]");
    let plan = world.gov(&["plan", "dev", "--json", "--budget", "5000 USD"]).args(ASK).run();
    assert_eq!(plan.exits(0).json()["record"]["budget"]["total"], "100 USD");
    make(&["--ttl", "6d"]).exits(0).says("100.00 USD in all");
    let extend = |by: &str| world.gov(&["extend", "dev", "--by", by, "--reason", "x"]).run();
    extend("8d").exits(3).says("at most 7d");
    for _ in 0..3 {
        extend("7d").exits(0);
    }
    extend("7d").exits(3).says("max_total is 30d");
    // Once made, a tighter trust root counts from then on.
    world.trust("[ceiling]\nresources = 1\n");
    world.gov(&["apply", "dev", "-y", "-i", "greeting=x"]).run().exits(3).says("[resources]");
}

/// Must show 6: `gov.toml`, variables, flags and a fresh folder gain nothing either.
#[test]
fn no_configuration_of_the_asker_widens_anything() {
    let world = World::of("note");
    world.write("blueprint.toml", &greedy(&world));
    world.trust("[ceiling]\nttl = { max = \"2h\" }\n[teams.platform]\n");
    let refused = |gov: Gov| gov.args(&["--ttl", "3h"]).run().exits(3).says("[ttl]");
    refused(world.make("dev"));
    // No word for authority exists in the convenience file.
    for text in [
        "[ceiling]\nresources = 900\n",
        "[teams.web]\n",
        "unpriced = \"allow\"\n",
        "actor = \"root\"\n",
        "trust = \"trust.toml\"\n",
        "config_dir = \".\"\n",
    ] {
        world.write("gov.toml", text);
        world.make("dev").run().exits(1);
    }
    world.write("gov.toml", "[defaults]\nowner = \"eve\"\n");
    let own = "[ceiling]\nttl = { max = \"900d\" }\nunpriced = \"allow\"\n";
    for name in ["trust.toml", "gov/trust.toml", ".config/gov/trust.toml"] {
        world.write(name, own);
    }
    let mut gov = world.make("dev");
    for name in [
        "GOV_TRUST",
        "GOV_TRUST_ROOT",
        "GOV_CONFIG",
        "GOV_CONFIG_DIR",
        "GOV_CEILING",
        "GOV_POLICY",
        "GOV_UNPRICED",
    ] {
        gov = gov.env(name, world.work().join("trust.toml"));
    }
    refused(gov);
    // Another folder, a copy of everything, another store: the same user has the same trust root.
    let fresh = world.folder().join("fresh");
    harness::copy_folder(&world.work(), &fresh);
    refused(world.make("dev").within(&fresh));
    refused(world.make("dev").args(&["--data-dir", "other"]).within(&fresh));
    assert!(!world.root("dev").exists());
}

/// The environment file is the asker's, too.
#[test]
fn an_environment_file_cannot_widen() {
    let world = World::of("note");
    let file = "blueprint = \"../blueprint.toml\"\nowner = \"ann\"\nteam = \"platform\"\n\
                project = \"search\"\npurpose = \"to test\"\n";
    let apply = |more: &str| {
        world.write("environments/dev.toml", &format!("{file}{more}"));
        world.gov(&["apply", "dev", "-y"]).run()
    };
    apply("ttl = \"9h\"\n").exits(3).says("[ttl]");
    for more in [
        "limits = { resources = 900 }\n",
        "on_expiry = \"delete-data\"\n",
        "actor = \"uid:0(root)\"\n",
        "[ceiling]\nresources = 9\n",
    ] {
        apply(more).exits(1);
    }
    apply("budget = \"500 USD\"\n").exits(0).says("1.00 USD in all");
}

/// Publishing by digest gives a blueprint its own limits; one changed byte takes them away.
#[test]
fn a_published_blueprint_has_its_own_limits() {
    let world = World::of("note");
    world.write("blueprint.toml", &greedy(&world));
    world.make("dev").args(&["--ttl", "20d"]).run().exits(3);
    let published = format!(
        "[published.{}]\nname = \"note\"\n[published.{}.limits]\nresources = 5\n\
         ttl = {{ max = \"30d\", max_total = \"60d\" }}\nbudget = {{ total = \"7 USD\" }}\n",
        digest(&world),
        digest(&world)
    );
    world.trust(&published);
    world.ok(&["check", "blueprint.toml"]).says("published").keeps_quiet_of("not published");
    world.make("dev").args(&["--ttl", "20d"]).run().exits(0).says("7.00 USD in all");
    let text = harness::read(&world.work().join("blueprint.toml"));
    world.write("blueprint.toml", &format!("{text}# harmless\n"));
    world.make("qa").args(&["--ttl", "20d"]).run().exits(3).says("[ttl]");
    world.trust("");
    world.gov(&["extend", "dev", "--by", "8d", "--reason", "x"]).run().exits(3);
}

/// G3: a saved plan is judged anew under the trust root of the day it is applied.
#[test]
fn g3_a_changed_trust_root_voids_a_saved_plan() {
    let world = World::of("note");
    world.gov(&["plan", "dev", "-o", "dev.plan"]).args(ASK).run().exits(0);
    world.trust("[ceiling]\nresources = 1\n");
    world.gov(&["apply", "--plan", "dev.plan", "-y"]).run().exits(3).says("[resources]");
    world.trust("[teams.web]\n");
    world.gov(&["apply", "--plan", "dev.plan", "-y"]).run().exits(3).says("[team]");
    world.trust("[ceiling]\nbudget = { total = \"0.50 USD\" }\n");
    world.gov(&["apply", "--plan", "dev.plan", "-y"]).run().exits(1).says("plan again");
    assert!(resources(&world.root("dev")).is_empty());
    harness::remove(&world.config().join("trust.toml"));
    world.ok(&["apply", "--plan", "dev.plan", "-y"]);
}

/// A trust root that cannot be read grants nothing.
#[test]
fn a_broken_trust_root_admits_nothing() {
    let world = World::of("note");
    world.trust("[ceiling]\nresorces = 1\n");
    world.make("dev").run().exits(1).says("trust.toml").says("resorces");
    world.ok(&["fmt", "blueprint.toml"]);
    world.gov(&["doctor"]).run().exits(1).says("nothing is admitted");
    assert!(!world.root("dev").exists());
}

/// Who acts is the operating system's word, not the asker's: owner and team are claims.
#[test]
fn nobody_picks_another_actor() {
    let world = World::of("note");
    let mut gov = world.make("dev");
    for name in ["USER", "LOGNAME", "USERNAME", "SUDO_USER", "GOV_ACTOR", "GOV_USER", "GOV_OWNER"] {
        gov = gov.env(name, "boss");
    }
    gov.run().exits(0);
    let uid = rustix::process::getuid().as_raw();
    let document = world.ok(&["history", "--json"]).json();
    for event in document["events"].as_array().unwrap() {
        let name = event["actor"]["name"].as_str().unwrap();
        assert!(name == format!("uid:{uid}") || name.starts_with(&format!("uid:{uid}(")), "{name}");
        assert_eq!(event["actor"]["door"], "script");
    }
    world.gov(&["list", "--actor", "boss"]).run().exits(1);
}
