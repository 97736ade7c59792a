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

/// The same as resilience4j's `IntervalFunction` has it, which counts in whole milliseconds: each product of floating-point numbers
/// is cut to one, and so are the first wait and the longest.
///
/// ```
/// use sim_core::Duration;
/// use sim_models::policy::grown_in_millis;
/// let waits = [0, 1, 2, 3].map(|times| grown_in_millis(Duration::from_millis(5), 1_500_000, times, Duration::FOREVER));
/// assert_eq!(waits, [5, 7, 10, 15].map(Duration::from_millis));
/// ```
pub fn grown_in_millis(first: Duration, factor: u64, times: u32, most: Duration) -> Duration {
    let (mut wait, most) = (millis(first), millis(most));
    let factor = factor as f64 / ONE as f64;
    for _ in 0..times {
        let longer = (wait as f64 * factor) as u64;
        if longer == wait || wait >= most {
            break;
        }
        wait = longer;
    }
    Duration::from_millis(wait.min(most))
}

/// Whole milliseconds of a length.
const fn millis(length: Duration) -> u64 {
    length.nanos() / 1_000_000
}

/// A length cut to whole milliseconds.
pub(super) const fn whole_millis(length: Duration) -> Duration {
    Duration::from_millis(millis(length))
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
    fn in_whole_milliseconds_each_product_is_cut() {
        let waits = |first: u64, factor: u64| -> Vec<u64> {
            let of = |times| grown_in_millis(Duration::from_millis(first), factor, times, Duration::from_secs(1));
            (0..6).map(|times| of(times).nanos() / 1_000_000).collect()
        };
        assert_eq!(waits(5, 1_500_000), [5, 7, 10, 15, 22, 33]);
        // One millisecond never grows by a half: 1.5 is 1.
        assert_eq!(waits(1, 1_500_000), [1; 6]);
        // 100 · 1.15 is 114.99999999999999 in floating point.
        assert_eq!(waits(100, 1_150_000), [100, 114, 131, 150, 172, 197]);
        assert_eq!(waits(300, 2_000_000), [300, 600, 1_000, 1_000, 1_000, 1_000]);
        let cut = grown_in_millis(Duration::from_nanos(1_999_999), ONE, 9, Duration::FOREVER);
        assert_eq!(cut, Duration::from_millis(1));
        let huge = grown_in_millis(Duration::from_secs(1), 2 * ONE, u32::MAX, Duration::FOREVER);
        assert_eq!(huge, whole_millis(Duration::FOREVER));
    }

    #[test]
    fn a_factor_of_one_stays_where_it_is() {
        assert_eq!(grown(Duration::from_secs(7), ONE, u32::MAX, Duration::FOREVER), Duration::from_secs(7));
    }
}
