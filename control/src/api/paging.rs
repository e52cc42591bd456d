//! Lists in pages.

use super::problem::Problem;

/// How many items a page may have: 1 to 1,000, 100 where nothing is said.
pub fn limit(asked: Option<u32>) -> Result<usize, Problem> {
    match asked.unwrap_or(DEFAULT) {
        limit @ 1..=MOST => Ok(limit as usize),
        limit => Err(Problem::invalid("limit", format!("is {limit}"), format!("1 to {MOST}"))),
    }
}

const DEFAULT: u32 = 100;
const MOST: u32 = 1000;
