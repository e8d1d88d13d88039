//! Licence expressions: whether a set of allowed licences satisfies what a crate states.
//!
//! SPDX expressions with `AND`, `OR`, `WITH` and brackets, and the older `/` for `OR`. `AND` binds
//! tighter than `OR`. A licence that is not in the set is simply not allowed, known or not.

use std::collections::BTreeSet;

/// How deep brackets may nest. Real expressions have one level.
const DEPTH_MAX: usize = 16;

/// Whether `allowed` holds enough licences to take a crate under `expression`.
///
/// # Errors
///
/// Where the expression is not well formed.
pub fn satisfied(expression: &str, allowed: &BTreeSet<String>) -> Result<bool, String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { tokens: &tokens, allowed };
    let verdict = parser.either(0).map_err(|why| format!("`{expression}`: {why}"))?;
    match parser.tokens.first() {
        None => Ok(verdict),
        Some(rest) => Err(format!("`{expression}`: `{rest}` is not expected")),
    }
}

struct Parser<'a> {
    tokens: &'a [&'a str],
    allowed: &'a BTreeSet<String>,
}

impl Parser<'_> {
    fn either(&mut self, depth: usize) -> Result<bool, String> {
        let mut verdict = self.both(depth)?;
        while self.take("OR") {
            verdict |= self.both(depth)?;
        }
        Ok(verdict)
    }

    fn both(&mut self, depth: usize) -> Result<bool, String> {
        let mut verdict = self.single(depth)?;
        while self.take("AND") {
            verdict &= self.single(depth)?;
        }
        Ok(verdict)
    }

    fn single(&mut self, depth: usize) -> Result<bool, String> {
        if depth > DEPTH_MAX {
            return Err(format!("brackets nest deeper than {DEPTH_MAX}"));
        }
        if self.take("(") {
            let verdict = self.either(depth + 1)?;
            return if self.take(")") {
                Ok(verdict)
            } else {
                Err("a bracket stays open".to_owned())
            };
        }
        let mut name = self.name()?.to_owned();
        if self.take("WITH") {
            name = format!("{name} WITH {}", self.name()?);
        }
        Ok(self.allowed.contains(&name))
    }

    fn name(&mut self) -> Result<&str, String> {
        match self.tokens.split_first() {
            Some((name, rest)) if !matches!(*name, "AND" | "OR" | "WITH" | "(" | ")") => {
                self.tokens = rest;
                Ok(name)
            }
            _ => Err("a licence is missing".to_owned()),
        }
    }

    fn take(&mut self, wanted: &str) -> bool {
        match self.tokens.split_first() {
            Some((first, rest)) if *first == wanted => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(expression: &str) -> Result<bool, String> {
        let allowed = ["MIT", "Apache-2.0", "ISC", "Apache-2.0 WITH LLVM-exception"];
        satisfied(expression, &allowed.map(str::to_owned).into())
    }

    #[test]
    fn one_of_or_is_enough_and_all_of_and_are_needed() {
        assert_eq!(judge("MIT"), Ok(true));
        assert_eq!(judge("GPL-3.0"), Ok(false));
        assert_eq!(judge("GPL-3.0 OR MIT"), Ok(true));
        assert_eq!(judge("MIT AND GPL-3.0"), Ok(false));
        assert_eq!(judge("ISC AND (GPL-3.0 OR Apache-2.0)"), Ok(true));
    }

    #[test]
    fn and_binds_tighter_than_or() {
        assert_eq!(judge("MIT OR ISC AND GPL-3.0"), Ok(true));
        assert_eq!(judge("(MIT OR ISC) AND GPL-3.0"), Ok(false));
    }

    #[test]
    fn an_exception_belongs_to_its_licence() {
        assert_eq!(judge("Apache-2.0 WITH LLVM-exception"), Ok(true));
        assert_eq!(judge("MIT WITH LLVM-exception"), Ok(false));
    }

    #[test]
    fn slashes_of_old_mean_or() {
        assert_eq!(judge("GPL-3.0/MIT"), Ok(true));
        assert_eq!(judge("Apache-2.0 / MIT"), Ok(true));
    }

    #[test]
    fn what_is_malformed_is_an_error_and_not_a_verdict() {
        for wrong in ["", "MIT OR", "(MIT", "MIT)", "MIT ISC", "WITH MIT", "MIT WITH"] {
            assert!(judge(wrong).is_err(), "{wrong}");
        }
        assert!(judge(&"(".repeat(100)).is_err());
    }
}
