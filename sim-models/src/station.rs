//! A service station as queueing theory knows it: so many servers, a line before them with an order in it, and customers whose
//! patience may end before their turn comes.
//!
//! The scenario language has services, which are stations whose steps are programs and whose line is in the order of arrival. In
//! Rust this one stands in any system, with any message as its customer, where the order in the line or the patience in it is
//! the question. What the words mean is as in Gross, Shortle, Thompson and Harris, Fundamentals of Queueing Theory, chapters 2
//! and 3: priorities as in Cobham (1954), patience as in Palm's Erlang A.

use std::collections::BTreeSet;

use serde::Serialize;
use sim_core::{Actor, Cause, Context, Dist, Duration, Event, Instant, Message, NodeId, Purpose, Timer, Unanswered};

use crate::slab::{Key, Slab};

/// How long a customer is served, drawn for the customer when its service begins.
pub const WORK: Purpose = Purpose::new("work");
/// How long a customer is willing to wait, drawn for the customer when it joins the line.
pub const PATIENCE: Purpose = Purpose::new("patience");

/// A message that can be a customer of a [`Station`].
pub trait Customer: Message {
    /// Its rank, for an order in which the lowest goes first; `None` of a message that wants no service, which is ignored.
    fn rank(&self) -> Option<u32>;

    /// What the station answers to whoever sent it; `None`: nothing.
    fn answer(&self, ending: Ending) -> Option<Self>;
}

/// How a customer's visit ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Ending {
    /// It was served.
    Served {
        /// How long it was at the station and in no server's hands: before its service, and while that was interrupted.
        waited: Duration,
    },
    /// All servers were busy and every place in the line was taken when it came.
    TurnedAway,
    /// It left the line because its patience had ended.
    GaveUp {
        /// How long it had waited, which is how patient it was.
        waited: Duration,
    },
}

/// Who is next. Among those of one rank it is always who came first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum Order {
    /// Who came first, whatever the ranks.
    #[default]
    Arrival,
    /// Who has the lowest rank; a service that has begun is finished first (non-preemptive, head of the line).
    Rank,
    /// Who has the lowest rank, at once: of those in service whose rank is higher the last one goes back to its place in the line,
    /// and later on with what is left of its service (preemptive resume).
    RankAtOnce,
}

/// The station. It is an actor like any other: put it on a node and send it messages.
///
/// A crash takes everyone at the station with it; on links that bring answers their senders learn so.
///
/// ```
/// use sim_core::*;
/// use sim_models::station::{Customer, Ending, Order, Station};
///
/// #[derive(Clone, Hash, serde::Serialize)]
/// enum Talk { Repair { urgent: bool }, Done { urgent: bool, ending: Ending } }
/// impl Message for Talk {
///     type Note = (); type Shared = ();
///     const KINDS: &'static [&'static str] = &["repair", "done"];
///     fn kind(&self) -> Kind { match self { Talk::Repair { .. } => Kind(0), Talk::Done { .. } => Kind(1) } }
/// }
/// impl Customer for Talk {
///     fn rank(&self) -> Option<u32> {
///         match self { Talk::Repair { urgent } => Some(if *urgent { 0 } else { 1 }), Talk::Done { .. } => None }
///     }
///     fn answer(&self, ending: Ending) -> Option<Talk> {
///         match self { Talk::Repair { urgent } => Some(Talk::Done { urgent: *urgent, ending }), Talk::Done { .. } => None }
///     }
/// }
/// #[derive(Clone, serde::Serialize)]
/// struct Owner { workshop: NodeId, back: Vec<(bool, Ending)> }
/// impl Actor<Talk> for Owner {
///     fn handle(&mut self, event: Event<Talk>, cx: &mut Context<'_, Talk>) {
///         match event {
///             Event::Start(_) => [false, false, true].into_iter().for_each(|urgent| cx.send(self.workshop, Talk::Repair { urgent })),
///             Event::Message { msg: Talk::Done { urgent, ending }, .. } => self.back.push((urgent, ending)),
///             _ => {}
///         }
///     }
/// }
/// let hour = Duration::from_secs(3600);
/// let mut system = System::new();
/// let workshop = system.node("workshop", Station::new(1, Dist::Constant(hour)).order(Order::Rank));
/// let owner = system.node("owner", Owner { workshop, back: Vec::new() });
/// let mut sim = system.start(Seed(1)).unwrap();
/// while sim.step().is_some() {}
/// let after = |hours| Ending::Served { waited: hour.saturating_mul(hours) };
/// assert_eq!(sim.actor::<Owner>(owner).unwrap().back, [(false, after(0)), (true, after(1)), (false, after(2))]);
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct Station<M> {
    servers: u32,
    places: Option<u32>,
    order: Order,
    work: Dist,
    patience: Option<Dist>,
    visits: Slab<Visit<M>>,
    /// Customers so far, by which those of one rank are told apart.
    came: u64,
    line: BTreeSet<Turn>,
    /// In service, those who would be interrupted last in front.
    served: BTreeSet<Turn>,
}

/// A customer at the station.
#[derive(Clone, Debug, Serialize)]
struct Visit<M> {
    from: NodeId,
    msg: M,
    /// Why it came: what is done for it goes on with that.
    cause: Cause,
    turn: (u32, u64),
    /// What is left of its service; none before that begins.
    left: Option<Duration>,
    /// Waits that are over.
    waited: Duration,
    /// When its wait began, or, of one in service, when that will end.
    mark: Instant,
}

/// A customer's turn: by rank, then by when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Turn(u32, u64, Key);

impl<M: Customer> Station<M> {
    /// A station of so many servers and as many places as anybody needs, in the order of arrival, with endless patience.
    ///
    /// [`u32::MAX`] servers are as many as come.
    pub fn new(servers: u32, work: Dist) -> Self {
        Station {
            servers,
            places: None,
            order: Order::Arrival,
            work,
            patience: None,
            visits: Slab::default(),
            came: 0,
            line: BTreeSet::new(),
            served: BTreeSet::new(),
        }
    }

    /// The same with so many places in the line; who finds all servers busy and no place is turned away, whatever its rank. With
    /// 0 nobody waits.
    pub fn places(self, places: u32) -> Self {
        Station { places: Some(places), ..self }
    }

    /// The same in another order.
    pub fn order(self, order: Order) -> Self {
        Station { order, ..self }
    }

    /// The same with customers who leave the line when they have waited so long. One whose service has begun stays to the end.
    pub fn patience(self, patience: Dist) -> Self {
        Station { patience: Some(patience), ..self }
    }

    /// How many are in service.
    pub fn busy(&self) -> usize {
        self.served.len()
    }

    /// How many are in the line.
    pub fn waiting(&self) -> usize {
        self.line.len()
    }

    fn arrive(&mut self, cx: &mut Context<'_, M>, from: NodeId, msg: M, rank: u32) {
        let rank = if self.order == Order::Arrival { 0 } else { rank };
        let full = self.served.len() >= self.servers as usize;
        if full && self.places.is_some_and(|places| self.line.len() >= places as usize) {
            return answer(cx, from, &msg, Ending::TurnedAway);
        }
        self.came += 1;
        let (turn, waited) = ((rank, self.came), Duration::ZERO);
        let visit = Visit { from, msg, cause: cx.cause(), turn, left: None, waited, mark: cx.now() };
        let turn = Turn(rank, self.came, self.visits.insert(visit));
        match self.served.last().copied() {
            Some(last) if full && self.order == Order::RankAtOnce && last.0 > rank => {
                self.interrupt(cx, last);
                self.begin(cx, turn);
            }
            _ if full => self.wait(cx, turn),
            _ => self.begin(cx, turn),
        }
    }

    fn wait(&mut self, cx: &mut Context<'_, M>, turn: Turn) {
        self.line.insert(turn);
        if let Some(patience) = &self.patience {
            let patience = cx.draw(PATIENCE, patience);
            cx.set(patience_of(turn.2), patience);
        }
    }

    /// A service begins, or goes on.
    fn begin(&mut self, cx: &mut Context<'_, M>, turn: Turn) {
        let Some(visit) = self.visits.get_mut(turn.2) else { return };
        cx.because(visit.cause);
        if self.patience.is_some() {
            cx.cancel(patience_of(turn.2));
        }
        visit.waited = visit.waited.saturating_add(cx.now().since(visit.mark));
        let left = visit.left.unwrap_or_else(|| cx.draw(WORK, &self.work));
        visit.left = Some(left);
        visit.mark = cx.now() + left;
        cx.set(service_of(turn.2), left);
        self.served.insert(turn);
    }

    /// A service stops for a while.
    fn interrupt(&mut self, cx: &mut Context<'_, M>, turn: Turn) {
        let Some(visit) = self.visits.get_mut(turn.2) else { return };
        cx.cancel(service_of(turn.2));
        visit.left = Some(visit.mark.since(cx.now()));
        visit.mark = cx.now();
        self.served.remove(&turn);
        self.line.insert(turn);
    }

    fn rings(&mut self, cx: &mut Context<'_, M>, timer: Timer) {
        let Some(key) = self.visits.at(timer.0 / 2) else { return };
        let Some(visit) = self.visits.remove(key) else { return };
        let turn = Turn(visit.turn.0, visit.turn.1, key);
        cx.because(visit.cause);
        if timer == service_of(key) {
            self.served.remove(&turn);
            answer(cx, visit.from, &visit.msg, Ending::Served { waited: visit.waited });
            if let Some(next) = self.line.pop_first() {
                self.begin(cx, next);
            }
        } else {
            self.line.remove(&turn);
            answer(cx, visit.from, &visit.msg, Ending::GaveUp { waited: cx.now().since(visit.mark) });
        }
    }
}

/// The timer that ends a service.
fn service_of(key: Key) -> Timer {
    Timer(2 * key.place)
}

/// The timer that ends a wait.
fn patience_of(key: Key) -> Timer {
    Timer(2 * key.place + 1)
}

fn answer<M: Customer>(cx: &mut Context<'_, M>, to: NodeId, msg: &M, ending: Ending) {
    if let Some(answer) = msg.answer(ending) {
        cx.send(to, answer);
    }
}

impl<M: Customer> Actor<M> for Station<M> {
    fn handle(&mut self, event: Event<M>, cx: &mut Context<'_, M>) {
        match event {
            Event::Message { from, msg } => {
                if let Some(rank) = msg.rank() {
                    self.arrive(cx, from, msg, rank);
                }
            }
            Event::Timer(timer) => self.rings(cx, timer),
            Event::Stop { .. } => cx.exit(),
            Event::Start(_) | Event::Synced(..) | Event::Refused { .. } | Event::Reset { .. } => {}
        }
    }

    fn unanswered(&self) -> Vec<Unanswered<M>> {
        let visits = self.visits.iter();
        visits.map(|visit| Unanswered { from: visit.from, msg: visit.msg.clone(), cause: visit.cause }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::{Kind, Seed, Sim, System};

    #[derive(Clone, Debug, PartialEq, Hash, Serialize)]
    enum Talk {
        Visit { number: u64, rank: u32 },
        Ended { number: u64, ending: Ending },
    }

    impl Message for Talk {
        type Note = ();
        type Shared = ();
        const KINDS: &'static [&'static str] = &["visit", "ended"];
        fn kind(&self) -> Kind {
            Kind(u16::from(matches!(self, Talk::Ended { .. })))
        }
    }

    impl Customer for Talk {
        fn rank(&self) -> Option<u32> {
            match self {
                Talk::Visit { rank, .. } => Some(*rank),
                Talk::Ended { .. } => None,
            }
        }
        fn answer(&self, ending: Ending) -> Option<Talk> {
            match self {
                Talk::Visit { number, .. } => Some(Talk::Ended { number: *number, ending }),
                Talk::Ended { .. } => None,
            }
        }
    }

    /// Sends a customer of each rank at each time, in milliseconds, and keeps what comes back and when.
    #[derive(Clone, Serialize)]
    struct Door {
        station: NodeId,
        visits: Vec<(u64, u32)>,
        ended: Vec<(Instant, u64, String)>,
    }

    impl Actor<Talk> for Door {
        fn handle(&mut self, event: Event<Talk>, cx: &mut Context<'_, Talk>) {
            match event {
                Event::Start(_) => {
                    for (index, (at, _)) in self.visits.iter().enumerate() {
                        cx.set(Timer(index as u32), Duration::from_millis(*at));
                    }
                }
                Event::Timer(Timer(index)) => {
                    let class = cx.names().find_class("visit").expect("declared");
                    cx.begin(class, u64::from(index) + 1);
                    let rank = self.visits[index as usize].1;
                    cx.send(self.station, Talk::Visit { number: u64::from(index) + 1, rank });
                }
                Event::Message { msg: Talk::Ended { number, ending }, .. } => {
                    let ending = match ending {
                        Ending::Served { waited } => format!("served after {waited}"),
                        Ending::TurnedAway => "turned away".to_owned(),
                        Ending::GaveUp { waited } => format!("gave up after {waited}"),
                    };
                    self.ended.push((cx.now(), number, ending));
                }
                Event::Reset { msg: Talk::Visit { number, .. }, .. } => {
                    self.ended.push((cx.now(), number, "reset".to_owned()));
                }
                _ => {}
            }
        }
    }

    fn system(station: Station<Talk>, visits: &[(u64, u32)]) -> (System<Talk>, NodeId) {
        let mut system = System::new();
        system.class("visit");
        let station = system.node("station", station);
        let door = system.node("door", Door { station, visits: visits.to_vec(), ended: Vec::new() });
        (system, door)
    }

    fn run(system: &System<Talk>) -> Sim<Talk> {
        let mut sim = system.start(Seed(1)).unwrap();
        while sim.step().is_some() {}
        sim
    }

    fn ms(at: Instant) -> u64 {
        at.nanos() / 1_000_000
    }

    fn check(station: Station<Talk>, visits: &[(u64, u32)], expected: &[(u64, u64, &str)]) {
        let (system, door) = system(station, visits);
        let sim = run(&system);
        let ended: Vec<_> = sim.actor::<Door>(door).unwrap().ended.clone();
        let ended: Vec<_> = ended.iter().map(|(at, number, ending)| (ms(*at), *number, ending.as_str())).collect();
        assert_eq!(ended, expected);
    }

    fn ten_ms(servers: u32) -> Station<Talk> {
        Station::new(servers, Dist::Constant(Duration::from_millis(10)))
    }

    #[test]
    fn who_comes_first_is_served_first() {
        let visits = [(0, 5), (2, 0), (4, 3)];
        let expected = [(10, 1, "served after 0s"), (20, 2, "served after 8ms"), (30, 3, "served after 16ms")];
        check(ten_ms(1), &visits, &expected);
    }

    #[test]
    fn two_servers_serve_two_at_once() {
        let expected = [(10, 1, "served after 0s"), (12, 2, "served after 0s"), (20, 3, "served after 6ms")];
        check(ten_ms(2), &[(0, 0), (2, 0), (4, 0)], &expected);
    }

    #[test]
    fn who_finds_no_place_is_turned_away() {
        let expected = [(4, 3, "turned away"), (10, 1, "served after 0s"), (20, 2, "served after 8ms")];
        check(ten_ms(1).places(1), &[(0, 0), (2, 0), (4, 0)], &expected);
        check(ten_ms(1).places(0), &[(0, 0), (10, 0)], &[(10, 1, "served after 0s"), (20, 2, "served after 0s")]);
    }

    #[test]
    fn a_lower_rank_goes_first_but_finishes_nobody_elses_service() {
        let visits = [(0, 1), (2, 1), (4, 0), (5, 0)];
        let expected = [
            (10, 1, "served after 0s"),
            (20, 3, "served after 6ms"),
            (30, 4, "served after 15ms"),
            (40, 2, "served after 28ms"),
        ];
        check(ten_ms(1).order(Order::Rank), &visits, &expected);
    }

    #[test]
    fn a_lower_rank_interrupts_and_the_rest_of_the_service_follows() {
        let visits = [(0, 1), (2, 1), (4, 0), (5, 0)];
        let expected = [
            (14, 3, "served after 0s"),
            (24, 4, "served after 9ms"),
            (30, 1, "served after 20ms"),
            (40, 2, "served after 28ms"),
        ];
        check(ten_ms(1).order(Order::RankAtOnce), &visits, &expected);
        // Of two in service the one of the higher rank makes way, and of two of one rank the later.
        let expected = [
            (10, 1, "served after 0s"),
            (14, 4, "served after 0s"),
            (18, 2, "served after 6ms"),
            (24, 3, "served after 11ms"),
        ];
        check(ten_ms(2).order(Order::RankAtOnce), &[(0, 1), (2, 1), (3, 1), (4, 0)], &expected);
    }

    #[test]
    fn patience_ends_a_wait_but_no_service() {
        let patient = |ms| ten_ms(1).patience(Dist::Constant(Duration::from_millis(ms)));
        let visits = [(0, 0), (2, 0), (4, 0)];
        let expected = [(10, 1, "served after 0s"), (14, 3, "gave up after 10ms"), (20, 2, "served after 8ms")];
        check(patient(10), &visits, &expected);
        let expected = [(5, 2, "gave up after 3ms"), (7, 3, "gave up after 3ms"), (10, 1, "served after 0s")];
        check(patient(3), &visits, &expected);
        // An interrupted customer has been in service: its patience does not run again.
        let expected = [(14, 2, "served after 0s"), (20, 1, "served after 10ms")];
        check(patient(5).order(Order::RankAtOnce), &[(0, 1), (4, 0)], &expected);
    }

    #[test]
    fn a_crash_resets_everyone_at_the_station() {
        let (mut system, door) = system(ten_ms(1), &[(0, 0), (2, 0), (20, 0)]);
        system.network(sim_core::Link { answers: true, ..sim_core::Link::default() });
        system.fault("5ms..15ms crash station".parse().unwrap());
        let sim = run(&system);
        let ended = sim.actor::<Door>(door).unwrap().ended.iter();
        let ended: Vec<_> = ended.map(|(at, number, _)| (ms(*at), *number)).collect();
        assert_eq!(ended, [(5, 1), (5, 2), (30, 3)]);
    }

    #[test]
    fn a_line_before_it_leaves_a_service_as_long() {
        let ends = |visits: &[(u64, u32)]| -> Vec<Instant> {
            let (system, door) = system(Station::new(1, Dist::Exponential(Duration::from_millis(10))), visits);
            run(&system).actor::<Door>(door).unwrap().ended.iter().map(|(at, ..)| *at).collect()
        };
        // Far apart, so that nobody waits: when a customer leaves says how long its service took.
        let [first, second, third] = ends(&[(0, 0), (1000, 0), (2000, 0)])[..] else { panic!("three customers") };
        let [one, two, three] = ends(&[(0, 0), (0, 0), (0, 0)])[..] else { panic!("three customers") };
        let after = |seconds: u64| Instant::ZERO + Duration::from_secs(seconds);
        assert_eq!(one, first);
        assert_eq!((two.since(one), three.since(two)), (second.since(after(1)), third.since(after(2))));
    }
}
