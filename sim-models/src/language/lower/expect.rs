//! Reads what metrics are expected to come to: by the scenario, or by the one remedy or variant that was chosen.

use super::{Lower, known};
use crate::json::Key;
use crate::language::View;
use crate::problem::Problem;
use crate::program::Expected;

type Expectations = Vec<(String, Expected)>;

impl<'a> Lower<'a> {
    pub(super) fn expect(&mut self) {
        let own = self.expectations(self.root);
        let mut chosen = Vec::new();
        for section in ["remedies", "variants"] {
            for (key, remedy) in self.root.members_of(section) {
                let theirs = self.expectations(remedy);
                if self.configured.remedies().contains(&key.name) && remedy.field("expect").is_some() {
                    chosen.push(theirs);
                }
            }
        }
        // What the scenario says of itself is not said of it with a remedy.
        self.program.expect = if chosen.len() == 1 { chosen.remove(0) } else { own };
    }

    fn expectations(&mut self, of: View<'a>) -> Expectations {
        let mut expectations = Vec::new();
        for (key, value) in of.members_of("expect") {
            self.check_metric(key);
            let expected = expected(value);
            expectations.extend(self.told(expected).map(|expected| (key.name.clone(), expected)));
        }
        expectations
    }

    fn check_metric(&mut self, key: &Key) {
        if !self.metrics.contains(&key.name.as_str()) {
            let rest = known("metrics", &key.name, self.metrics.iter().copied());
            self.error(key, format!("no metric \"{}\"{rest}", key.name));
        }
    }
}

fn expected(value: View<'_>) -> Result<Expected, Problem> {
    if value.is_null() {
        return Ok(Expected::Never);
    }
    let numbers: Vec<f64> = value.items().map(View::float).collect::<Result<_, _>>()?;
    match numbers.as_slice() {
        [low, high] if low <= high => Ok(Expected::Between(*low, *high)),
        [_, _] => Err(value.error("this range goes backwards; the smaller comes first")),
        _ => value.float().map(Expected::Exactly),
    }
}
