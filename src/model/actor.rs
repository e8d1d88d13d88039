//! Who acts: what is proven of them, and through which door they came.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;

/// What kind of being asks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A proven human. An operating-system user is never proof of one.
    Human,
    /// A registered agent.
    Agent,
    /// A registered service.
    Service,
    /// An operating-system user: a person or whatever runs in that person's shell.
    User,
}

/// How the identity was proven.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// The operating system's word for the process's user: weak.
    OsUser,
    /// A challenge signed with an SSH key.
    SshKey,
    /// A token of a known issuer, verified offline.
    Oidc,
}

/// Through which door a request came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// The command line, at a terminal.
    Terminal,
    /// The command line, without a terminal.
    Script,
    /// A scheduled job.
    Cron,
    /// A merge gate.
    Ci,
    /// The agent protocol.
    Mcp,
}

/// Who acts. Taken from the credential, never from an argument or a configuration file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Actor {
    /// What kind of being.
    pub kind: ActorKind,
    /// The proven name, such as `uid:1000(ann)`.
    pub name: String,
    /// How it was proven.
    pub proof: Proof,
    /// Through which door.
    pub door: Door,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
