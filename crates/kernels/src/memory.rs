//! Allocation of large buffers for tensors.

use nix::sys::mman::{MmapAdvise, madvise};
use std::ptr::NonNull;

use crate::stored::Storage;

/// Allocates zeros, on huge pages where the system provides them. Reading 16 to 32 MiB is up to
/// twice as fast on huge pages.
///
/// # Panics
/// If memory does not suffice. A failure in the allocator itself would abort the process without a
/// message.
pub fn zeros<T: Storage>(length: usize) -> Vec<T> {
    let mut zeros = Vec::new();
    if zeros.try_reserve_exact(length).is_err() {
        panic!("out of memory: {} bytes for tensors", length * size_of::<T>());
    }
    request_huge_pages(&mut zeros);
    zeros.resize(length, T::default());
    zeros
}

/// Requests huge pages for a vector's memory, which must not have been accessed yet. The request
/// covers only whole pages, and is ignored where the system has no huge pages.
fn request_huge_pages<T>(memory: &mut Vec<T>) {
    const PAGE: usize = 4096;
    let start = memory.as_mut_ptr().cast::<u8>();
    let skip = start.align_offset(PAGE);
    let bytes = memory.capacity() * size_of::<T>();
    let length = bytes.saturating_sub(skip) / PAGE * PAGE;
    if let (Some(at), true) = (NonNull::new(start.wrapping_add(skip)), length > 0) {
        // SAFETY: the range belongs to the vector, and the advice does not change its contents.
        let _ = unsafe { madvise(at.cast(), length, MmapAdvise::MADV_HUGEPAGE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_any_size_is_zeros() {
        for length in [0, 1, 1000, 3 << 20] {
            let memory: Vec<f32> = zeros(length);
            assert!(memory.len() == length && memory.iter().all(|value| *value == 0.0));
        }
    }
}
