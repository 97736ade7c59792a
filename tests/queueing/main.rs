//! Queues whose answers are in the textbooks come out of the product: of services in scenario files, and of stations in Rust.
//!
//! Each case is a table of figures with their source. What a calculation can confirm is confirmed to 10⁻⁹ by the closed forms of
//! `closed_forms`; then the same model runs in independent replications, and the 99.9 % interval of Student's t over their values must
//! hold the figure and be narrow (2 % to either side unless the table says otherwise). How long to run follows from the
//! asymptotic variance of each figure (W. Whitt, Planning queueing simulations, Management Science 35, 1989; for chains that go
//! up and down by one, exactly: `BirthDeath::asymptotic_variance`). Each replication starts empty, and a tenth more than is
//! watched runs before.
//!
//! How a wait is known apart from a stay: a service that some metric asks for its gauges notes each change of its workers and of its line,
//! which is in order of arrival; a station says in its answer how long the customer waited.
//!
//! Not measured here is the asymptotic variance itself, which only plans runs: as the variance of 30 values it would be known to
//! a half. The median wait of M/M/1 at half load is no quantile that a sample can have: exactly half of all customers do not wait
//! at all, and that share is measured. In M/M/c the share that waits longer than a whole service, 0.25 % at 50 servers and 0.34 % at
//! 100, would need 4 × 10⁹ and 13 × 10⁹ customers for 2 %; the 99th percentiles of the same waits are measured instead.

mod groups;
mod machines;
mod many;
mod mg1;
mod mm1;
mod ranks;
mod transient;
mod watch;
