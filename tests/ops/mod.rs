//! Operations against a simulated cloud and a store in memory: planning, applying, life, drift and
//! reaping, with every step failing, repeating and crashing once.

mod applying;
mod matrix;
mod world;
