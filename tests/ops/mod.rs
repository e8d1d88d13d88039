//! Operations against a simulated cloud and a store in memory: planning, applying, life, drift and
//! reaping, with every step failing, repeating and crashing once.

mod applying;
mod drift;
mod freeze;
mod governance;
mod life;
mod limits;
mod matrix;
mod order;
mod reap;
mod world;
