//! Average and max pools.

use crate::access::{Access, GradientTarget, Memory};
use crate::allocation::BufferSlice;
use crate::instruction::Instruction;
use crate::interpreter::thread::Thread;
use crate::planning::{Gradients, Nodes};
use crate::tables::{PoolId, PoolOf, Tables};
use res2lab_arch::{self as arch, NodeId};
use res2lab_kernels::Stored;

/// Pools a slice.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    pub pool: PoolId,
    pub from: BufferSlice,
    pub to: BufferSlice,
    /// Whether the positions of maxima are stored for the backward pass.
    pub stores_positions: bool,
}

/// The gradient of a pool's input.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolBack {
    pub pool: PoolId,
    pub from: BufferSlice,
    pub into: GradientTarget,
}

impl Pool {
    /// Registers the pool of a node. `trains` states whether a backward pass follows.
    pub(crate) fn plan(
        tables: &mut Tables,
        nodes: &Nodes,
        id: NodeId,
        (pool, is_max): (arch::Pool, bool),
        trains: bool,
    ) -> Pool {
        let from = nodes.input(id, 0);
        let to = nodes.at(id);
        tables.pools.push(PoolOf { pool, input: from.shape, output: to, is_max });
        Pool { pool: tables.pools.len() - 1, from, to, stores_positions: trains && is_max }
    }
}

impl PoolBack {
    pub(crate) fn plan(
        tables: &Tables,
        nodes: &Nodes,
        gradients: &mut Gradients,
        id: NodeId,
    ) -> PoolBack {
        let result = nodes.at(id);
        let pool = tables.pools.iter().position(|pool| pool.output == result);
        let from = gradients.complete(result);
        let into = gradients.contribute(nodes.input(id, 0));
        PoolBack { pool: pool.expect("every pool runs forward"), from, into }
    }
}

impl Instruction for Pool {
    const NAME: &'static str = "pool";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        let positions = Access::write(Memory::Positions(self.pool));
        let stored = self.stores_positions.then_some(positions);
        [Access::read(self.from), Access::write(self.to)].into_iter().chain(stored).collect()
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        thread.pool(self.pool, self.from, self.to, self.stores_positions);
    }
}

impl Instruction for PoolBack {
    const NAME: &'static str = "pool back";

    fn accesses(&self, tables: &Tables) -> Vec<Access> {
        let positions = Access::read(Memory::Positions(self.pool));
        let stored = tables.pools[self.pool].is_max.then_some(positions);
        [Access::read(self.from), Access::target(self.into)].into_iter().chain(stored).collect()
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        thread.pool_back(self.pool, self.from, self.into);
    }
}
