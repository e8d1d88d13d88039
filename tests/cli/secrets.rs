//! Secrets are seen by whoever asks for one by its name, and nowhere else; a lost key is an error
//! that says so.

use super::harness;
use super::harness::Out;
use super::harness::World;

/// What nobody must see.
const TOKEN: &str = "tok-3f9a-very-secret";

fn made() -> (World, String) {
    let world = World::of("secrets");
    world.make("dev").args(&["-i", &format!("token={TOKEN}")]).run().exits(0);
    let password = world.ok(&["output", "dev", "password"]).stdout.trim_end().to_owned();
    let file = harness::read(&world.root("dev").join("vault/config"));
    assert_eq!(file, format!("token={TOKEN} password={password}\n"));
    (world, password)
}

fn has(bytes: &[u8], wanted: &str) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted.as_bytes())
}

/// Neither an asker's secret nor a drawn one is in the store, in a plan, or in any output.
#[test]
fn secrets_are_nowhere() {
    let world = World::of("secrets");
    let token = format!("token={TOKEN}");
    let mut said: Vec<Out> = Vec::new();
    let ask = ["-i", &token, "-o", "dev.plan"];
    said.push(world.gov(&["plan", "dev"]).args(harness::ASK).args(&ask).run().exits(0));
    said.push(world.gov(&["plan", "dev", "--json"]).args(harness::ASK).args(&ask).run().exits(0));
    said.push(world.ok(&["show", "--plan", "dev.plan"]));
    said.push(world.ok(&["apply", "--plan", "dev.plan", "-y", "--verbose"]));
    let password = world.ok(&["output", "dev", "password"]).stdout.trim_end().to_owned();
    let other = "token=tok-other-very-secret";
    harness::write(&world.root("dev").join("vault/config"), "spoilt\n");
    said.push(world.gov(&["drift", "dev"]).run().exits(5));
    said.push(world.gov(&["drift", "dev", "--json"]).run().exits(5));
    said.push(world.ok(&["plan", "dev", "-i", other, "-o", "next.plan", "--verbose"]));
    said.push(world.ok(&["apply", "dev", "-y", "-i", other, "--json"]));
    for arguments in [
        &["show", "dev"][..],
        &["why", "dev"],
        &["history"],
        &["output", "dev"],
        &["graph", "dev"],
        &["list"],
        &["state", "show", "dev", "random_password.seal"],
        &["state", "show", "dev", "local_file.config"],
        &["state", "export"],
        &["doctor"],
    ] {
        said.push(world.gov(arguments).arg("--verbose").run().exits(0));
        said.push(world.gov(arguments).arg("--json").run().exits(0));
    }
    let key = harness::read(&world.config().join("key"));
    for secret in [TOKEN, "tok-other-very-secret", &password, key.trim()] {
        assert!(secret.len() > 12);
        for out in &said {
            // The command line itself is the asker's.
            let shown = format!("{}{}", out.stdout, out.stderr);
            assert!(!shown.contains(secret), "{secret} in:\n{}", out.all());
        }
        for folder in [world.store(), world.work(), world.home()] {
            for name in harness::tree(&folder).iter().filter(|name| !name.ends_with('/')) {
                assert!(!has(&harness::bytes(&folder.join(name)), secret), "{secret} in {name}");
            }
        }
    }
}

/// Losing the key is an error that says so; what needs no secret goes on.
#[test]
fn a_lost_key_is_an_error_that_says_so() {
    let (world, _) = made();
    let key = world.config().join("key");
    let text = harness::read(&key);
    harness::remove(&key);
    for arguments in
        [&["output", "dev", "password"][..], &["drift", "dev"], &["apply", "dev", "-y"]]
    {
        world.gov(arguments).run().exits(1).says("key file").says("GOV_KEY");
    }
    assert!(!key.exists(), "a key that opens nothing is not made");
    world.ok(&["list"]).says("dev");
    world.ok(&["history", "dev"]).says("closed the run as done");
    world.ok(&["show", "dev"]);
    world.ok(&["state", "verify"]);
    let wrong = "00".repeat(32);
    world.gov(&["output", "dev", "password"]).env("GOV_KEY", wrong).run().exits(1).says("key");
    world.gov(&["drift", "dev"]).env("GOV_KEY", text.trim()).run().exits(0);
    let command = format!("cat {}", world.write("spare-key", &text).display());
    world.gov(&["drift", "dev"]).env("GOV_KEY_COMMAND", command).run().exits(0);
    world.gov(&["drift", "dev"]).env("GOV_KEY_COMMAND", "false").run().exits(1).says("key command");
    harness::write(&key, &text);
    world.gov(&["drift", "dev"]).run().exits(1).says("chmod 600");
}

/// A store without secrets does not need the key that it never used.
#[test]
fn without_secrets_a_lost_key_matters_to_nobody() {
    let world = World::of("note");
    world.made("dev");
    harness::remove(&world.config().join("key"));
    world.ok(&["list"]);
    world.ok(&["show", "dev"]);
    world.ok(&["drift", "dev"]);
}
