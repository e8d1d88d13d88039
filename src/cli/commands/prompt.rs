//! The question whether a plan is to be carried out.

use std::io::BufRead as _;

use crate::cli::commands::Session;
use crate::cli::render::plan;
use crate::cli::render::plan::Proposed;
use crate::ops::OpError;
use crate::ops::apply::Confirm;
use crate::ops::apply::Consent;
use crate::ops::proposal::Proposal;

/// Shows a plan and asks. `--yes` answers the question, but is no human's consent.
pub struct Prompt<'a> {
    /// Where to ask.
    pub session: &'a Session<'a>,
    /// Whether the question is answered already.
    pub yes: bool,
    /// Whether the plan is shown: not where many are asked for at once.
    pub show: bool,
}

impl Confirm for Prompt<'_> {
    fn confirm(&self, proposal: &Proposal, needs_human: bool) -> Result<Consent, OpError> {
        let ui = self.session.ui;
        if self.show && !self.session.global.json && !self.session.global.quiet {
            let before = proposal.snapshot.as_ref().map(|snapshot| &snapshot.record);
            let proposed = Proposed {
                plan: &proposal.plan,
                quote: &proposal.quote,
                decision: Some(&proposal.decision),
                life: Some(proposal.life),
                before,
                now: proposal.plan.made,
            };
            ui.out(&plan::text(&ui.screen(), &proposed));
        }
        let name = &proposal.plan.record.name;
        if needs_human {
            // Without a terminal there is nobody to consent, and the gate says what is needed.
            if !self.session.is_interactive() {
                return Ok(Consent::Yes);
            }
            ui.talk(&format!("This needs a human's consent. Type {name} to give it:"));
            let typed = read_line()?;
            return Ok(if typed.trim() == name { Consent::Human } else { Consent::No });
        }
        if self.yes {
            return Ok(Consent::Yes);
        }
        if !self.session.is_interactive() {
            let message = "there is no terminal to ask at; look at the plan, then say --yes";
            return Err(OpError::Usage(message.to_owned()));
        }
        ui.talk("Carry this out? Only `yes` is a yes:");
        let typed = read_line()?;
        Ok(if matches!(typed.trim(), "yes" | "y") { Consent::Yes } else { Consent::No })
    }
}

fn read_line() -> Result<String, OpError> {
    /// Nobody types more than this as an answer.
    const ANSWER_BYTES_MAX: u64 = 4096;
    let mut line = String::new();
    let stdin = std::io::stdin();
    let mut input = std::io::Read::take(stdin.lock(), ANSWER_BYTES_MAX);
    input
        .read_line(&mut line)
        .map_err(|error| OpError::Failed(format!("the answer cannot be read: {error}")))?;
    Ok(line)
}
