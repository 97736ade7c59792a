//! How a wait grows from one failure to the next, without overflow.

use sim_core::Duration;

/// Parts of a factor in one.
pub(super) const ONE: u64 = 1_000_000;

/// `min(first · factor^times, most)`, the factor in millionths; each product is rounded down to a nanosecond.
///
/// However often something fails, it neither overflows nor takes longer to compute than reaching `most` does.
///
/// ```
/// use sim_core::Duration;
/// use sim_models::policy::grown;
/// assert_eq!(grown(Duration::from_millis(100), 2_000_000, 3, Duration::FOREVER), Duration::from_millis(800));
/// assert_eq!(grown(Duration::from_millis(100), 2_000_000, u32::MAX, Duration::from_secs(20)),
/// Duration::from_secs(20));
/// ```
pub fn grown(first: Duration, factor: u64, times: u32, most: Duration) -> Duration {
    let most = u128::from(most.nanos());
    let mut wait = u128::from(first.nanos()).min(most);
    for _ in 0..times {
        let longer = wait * u128::from(factor) / u128::from(ONE);
        if longer == wait || wait == most {
            break;
        }
        wait = longer.min(most);
    }
    Duration::from_nanos(wait as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_to_the_hundredth_does_not_overflow() {
        let second = Duration::from_secs(1);
        assert_eq!(grown(second, 2 * ONE, 100, Duration::FOREVER), Duration::FOREVER);
        assert_eq!(grown(second, 2 * ONE, 100, Duration::from_secs(60)), Duration::from_secs(60));
    }

    #[test]
    fn a_factor_of_one_stays_where_it_is() {
        assert_eq!(grown(Duration::from_secs(7), ONE, u32::MAX, Duration::FOREVER), Duration::from_secs(7));
    }
}
