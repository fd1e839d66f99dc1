//! Every scheduled program is correct: each pack precedes a barrier before its use, and no thread
//! reads what another one writes meanwhile. The check that shows this finds planted faults.

mod networks;

use networks::{dense, golden, random};
use res2lab_planned::access::{Access, Memory, Mode, Part, Pass};
use res2lab_planned::check::{Fault, Team, faults};
use res2lab_planned::instructions::{Backward, Forward};
use res2lab_planned::{Plan, Program};

/// Numbers of threads, of which the last ones are more than the images of a batch.
const THREADS: [usize; 5] = [1, 2, 3, 8, 64];
const BATCH: usize = 8;

fn training(graph: &res2lab_arch::Graph, threads: usize) -> Program {
    let mut program = Program::new(graph);
    program.schedule(threads);
    program
}

fn check_all(networks: Vec<(String, res2lab_arch::Graph)>) {
    for (name, graph) in networks {
        for threads in THREADS {
            let team = if threads == 1 { Team::Single } else { Team::OwnImages };
            let program = training(&graph, threads);
            assert_eq!(faults(&program, team), [], "{name}, {threads} threads");
            assert_eq!(packs_without_barrier(&program, threads), 0, "{name}, {threads} threads");

            let plan = Plan::<f32>::new(&graph, vec![0; graph.state.len()], BATCH, threads);
            assert_eq!(plan.faults(), [], "{name}, {threads} threads, in memory");
            let inference = Plan::<f32>::inference(&graph, BATCH, threads);
            assert_eq!(inference.faults(), [], "{name}, {threads} threads, inference");
        }
    }
}

#[test]
fn programs_of_all_golden_networks_are_correct() {
    assert!(golden().len() > 20);
    check_all(golden());
}

#[test]
fn programs_of_random_networks_are_correct() {
    check_all(random(60));
}

#[test]
fn programs_of_networks_with_maps_are_correct() {
    check_all(dense());
}

/// The reads of packed weights that no barrier separates from their pack. Counted here without the
/// library's check.
fn packs_without_barrier(program: &Program, threads: usize) -> usize {
    let forward = program
        .forward
        .iter()
        .map(|instr| (matches!(instr, Forward::Barrier(_)), instr.accesses(&program.tables)));
    let backward = program
        .backward
        .iter()
        .map(|instr| (matches!(instr, Backward::Barrier(_)), instr.accesses(&program.tables)));
    bad_reads(forward, threads) + bad_reads(backward, threads)
}

fn bad_reads(instrs: impl Iterator<Item = (bool, Vec<Access>)>, threads: usize) -> usize {
    // For each buffer, what it holds and whether a barrier followed.
    let mut held = [None, None];
    let mut bad = 0;
    for (is_barrier, accesses) in instrs {
        if is_barrier {
            held.iter_mut().flatten().for_each(|(_, is_safe)| *is_safe = true);
        }
        for access in accesses {
            let Memory::Packed { buffer, of } = access.memory else { continue };
            match access.mode {
                Mode::Write => held[buffer] = Some((of, threads == 1)),
                Mode::Read | Mode::Update => bad += usize::from(held[buffer] != Some((of, true))),
            }
        }
    }
    bad
}

/// A network with everything that the schedule treats: norms, biases, splits, a pool, a gate.
fn small() -> res2lab_arch::Graph {
    let words = serde_json::json!({"block": "res2", "stem": "imagenet", "blocks": [1, 2],
        "planes": 16, "width": 8, "scale": 4, "se": true});
    let words: res2lab_arch::ModelOverrides = serde_json::from_value(words).unwrap();
    res2lab_arch::build(&words.resolve().unwrap().0, res2lab_arch::Input::square(32, 10)).unwrap()
}

fn of_team(program: &Program) -> Vec<Fault> {
    faults(program, Team::OwnImages)
}

#[test]
fn every_barrier_is_necessary_and_its_removal_is_found() {
    let whole = training(&small(), 3);
    assert_eq!(of_team(&whole), []);
    let mut removed = 0;
    for at in 0..whole.forward.len() {
        let mut program = whole.clone();
        if matches!(program.forward.remove(at), Forward::Barrier(_)) {
            assert_ne!(of_team(&program), [], "forward {at}");
            removed += 1;
        }
    }
    for at in 0..whole.backward.len() {
        let mut program = whole.clone();
        if matches!(program.backward.remove(at), Backward::Barrier(_)) {
            assert_ne!(of_team(&program), [], "backward {at}");
            removed += 1;
        }
    }
    assert!(removed > 40, "{removed}");
}

#[test]
fn a_pack_that_is_moved_behind_its_barrier_is_found() {
    let whole = training(&small(), 2);
    let mut moved = 0;
    for at in 0..whole.forward.len() - 1 {
        let mut program = whole.clone();
        let pair = [&program.forward[at], &program.forward[at + 1]];
        if let [Forward::Pack(_), Forward::Barrier(_)] = pair {
            program.forward.swap(at, at + 1);
            let found = of_team(&program);
            assert!(found.iter().any(|fault| fault.what.starts_with("packed")), "{at}: {found:?}");
            moved += 1;
        }
    }
    for at in 0..whole.backward.len() - 1 {
        let mut program = whole.clone();
        let pair = [&program.backward[at], &program.backward[at + 1]];
        if let [Backward::Pack(_), Backward::Barrier(_)] = pair {
            program.backward.swap(at, at + 1);
            let found = of_team(&program);
            assert!(found.iter().any(|fault| fault.what.starts_with("packed")), "{at}: {found:?}");
            moved += 1;
        }
    }
    assert!(moved > 20, "{moved}");
}

#[test]
fn an_instruction_that_is_left_out_or_doubled_is_found() {
    let whole = training(&small(), 2);
    for at in 0..whole.forward.len() {
        let mut program = whole.clone();
        let instr = program.forward.remove(at);
        assert_ne!(of_team(&program), [], "{instr:?}");
    }
    for at in 0..whole.backward.len() {
        let mut program = whole.clone();
        let instr = program.backward.remove(at);
        let writes = instr.accesses(&whole.tables);
        // Gradients of the first convolution's input and of the last norms have no reader.
        let is_read =
            writes.iter().any(|access| access.writes() && is_read_later(&whole, at, access));
        if is_read {
            assert_ne!(of_team(&program), [], "{instr:?}");
        }
    }
}

/// Whether a later instruction reads memory of this kind.
fn is_read_later(program: &Program, at: usize, written: &Access) -> bool {
    if matches!(written.memory, Memory::Gradient(_)) {
        return false;
    }
    let later = program.backward[at + 1..].iter().flat_map(|i| i.accesses(&program.tables));
    let mut later = later.filter(|access| access.memory == written.memory);
    // An update reads what an earlier instruction has written, with or without this one.
    written.mode == Mode::Write && later.next().is_some_and(|access| access.reads())
}

#[test]
fn a_buffer_of_the_wrong_parity_is_found() {
    let whole = training(&small(), 2);
    let mut program = whole.clone();
    let swapped = program.backward.iter_mut().find_map(|instr| match instr {
        Backward::ConvBack(back) => back.packed.as_mut(),
        _ => None,
    });
    *swapped.unwrap() ^= 1;
    assert_ne!(of_team(&program), []);
    let mut program = whole;
    let mut layers = program.backward.iter_mut().filter_map(|instr| match instr {
        Backward::ConvBack(back) => Some(&mut back.partials.buffer),
        _ => None,
    });
    *layers.nth(1).unwrap() ^= 1;
    assert_ne!(of_team(&program), []);
}

#[test]
fn threads_share_what_the_parts_of_accesses_state() {
    let program = training(&small(), 2);
    let all = program.backward.iter().flat_map(|instr| instr.accesses(&program.tables));
    for access in all {
        match access.memory {
            Memory::Slice(_) | Memory::Statistics(_) | Memory::Coefficients(_) => {
                assert_eq!(access.part, Part::Own);
            }
            Memory::Packed { of, .. } => assert_eq!(of.pass, Pass::Backward),
            _ => {}
        }
    }
}
