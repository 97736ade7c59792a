//! Runs a compiled scenario on the kernel: each replica an actor, each step an effect.

mod attempt;
mod audit;
mod balance;
mod branch;
mod cache;
mod cells;
mod commitment;
mod consumer;
mod durable;
mod exec;
mod flights;
mod gate;
mod guards;
mod hedged;
mod inside;
mod journal;
mod log;
mod once;
mod participant;
mod probe;
mod queue;
mod raced;
mod retry;
mod saga;
mod sake;
mod service;
mod store;
mod thread;
mod transaction;
mod workload;

use std::sync::Arc;

use sim_core::fault::{Timed, Verb};
use sim_core::{Fault, FaultError, Link, NodeId, Prepared, System};

pub use queue::Queue;
pub use service::Service;
pub use store::Store;

use crate::message::Msg;
use crate::program::{Program, Role};
use crate::shelf::Shelves;

/// Adds faults to the schedule of a program's system, and for a deploy the version that it deploys.
pub fn schedule(system: &mut System<Msg>, program: &Arc<Program>, faults: &[Fault]) {
    for fault in faults {
        if let Fault::Timed(Timed { verb: Verb::Deploy { target, version, .. }, .. }) = fault {
            for (index, (node, number)) in program.replicas.iter().enumerate() {
                let id = NodeId(index as u32);
                let zone = program.node(*node).zone(*number);
                let is_meant = target.nodes().is_some_and(|nodes| nodes.covers(&program.replica_name(id), zone));
                if is_meant && program.service(*node).is_some() {
                    let service =
                        Service::new(program.clone(), *node, *number).with_clocks(clocks_differ(program, faults));
                    system.version(id, version.as_str(), service.deployed(version.as_str()));
                }
            }
        }
        system.fault(fault.clone());
    }
}

/// Whether nodes may see different times.
fn clocks_differ(program: &Program, faults: &[Fault]) -> bool {
    program.nodes.iter().any(|node| node.clock.is_some()) || faults.iter().any(Fault::sets_clocks_wrong)
}

/// The system that a program describes, with the program's faults in it.
pub fn system(program: &Arc<Program>) -> System<Msg> {
    let mut system = laid_out(program, &program.faults);
    schedule(&mut system, program, &program.faults);
    system
}

/// The system that a program describes, as it must be to stand these faults, and without them.
pub(crate) fn laid_out(program: &Arc<Program>, faults: &[Fault]) -> System<Msg> {
    let mut system = System::new();
    system.kinds(program.kinds.iter().map(String::as_str));
    for class in &program.classes {
        system.class(class);
    }
    let clocks_differ = clocks_differ(program, faults);
    for (index, (node, number)) in program.replicas.iter().enumerate() {
        let name = program.replica_name(NodeId(index as u32));
        let group = &program.node(*node).name;
        let id = match &program.node(*node).role {
            Role::Store(def) => {
                let journal = journal::journal(program, *node, &name, faults);
                let store = Store::new(program.clone(), *node, journal.clone());
                let id = system.replica(&name, group, store);
                if journal.is_some() {
                    system.disk(id, def.sync.clone());
                    system.file(id, journal::FILE, journal::first_record(program, *node, def.checksum));
                }
                id
            }
            Role::Queue(_) => system.replica(&name, group, Queue::new(program.clone(), *node)),
            Role::Service(_) | Role::Workload(_) => {
                let service = Service::new(program.clone(), *node, *number);
                let id = system.replica(&name, group, service.with_clocks(clocks_differ));
                if let Some(log) = program.service(*node).and_then(|def| def.log.as_ref()) {
                    system.disk(id, log.sync.clone());
                }
                id
            }
        };
        if let Some(zone) = program.node(*node).zone(*number) {
            system.zone(id, zone);
        }
        if *number > program.node(*node).count {
            system.spare(id);
        }
        if let Some(set) = program.node(*node).clock {
            system.clock(id, set.clock);
            set.discipline.into_iter().for_each(|discipline| system.discipline(id, discipline));
        }
    }
    system.share(Shelves::new(program));
    system.network(link(&program.network));
    for (from, to, def) in &program.links {
        for from in &program.node(*from).replicas {
            for to in &program.node(*to).replicas {
                system.link(*from, *to, link(def));
            }
        }
    }
    for (index, (node, _)) in program.replicas.iter().enumerate() {
        if let Some(service) = program.service(*node) {
            let node = NodeId(index as u32);
            system.grace(node, service.stop.grace);
            system.startup(node, service.startup);
            system.discovery(node, service.discovery);
            service.restart.into_iter().for_each(|after| system.restart(node, after));
            service.backoff.into_iter().for_each(|backoff| system.backoff(node, backoff));
            if service.readiness.is_some() {
                system.reports_ready(node);
            }
        }
    }
    system
}

/// The system of a program, checked and ready to start runs from.
///
/// # Errors
/// A fault that names a node which is not there.
pub fn prepare(program: &Arc<Program>) -> Result<Prepared<Msg>, FaultError> {
    system(program).prepare()
}

/// Links of a scenario also bring back that nobody is there, or that whoever was there has crashed.
fn link(link: &Link) -> Link {
    Link { answers: true, ..link.clone() }
}
