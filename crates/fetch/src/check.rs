//! The expected content of a downloaded file.

use md5::Md5;
use sha2::digest::Update;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// A hash, or its first digits, in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// SHA-256. In PyTorch's convention, the first eight digits are part of the file's name.
    Sha256(String),
    /// MD5, as published for data sets.
    Md5(String),
    /// No hash is known; only the length is checked.
    Length,
}

impl Check {
    /// Hashes the file. The inner `Err` states the expected and the found hash.
    pub fn verify(&self, path: &Path) -> io::Result<Result<(), String>> {
        let (name, expected, found) = match self {
            Check::Length => return Ok(Ok(())),
            Check::Sha256(expected) => ("SHA-256", expected, hex::<Sha256>(path)?),
            Check::Md5(expected) => ("MD5", expected, hex::<Md5>(path)?),
        };
        if found.starts_with(expected.as_str()) {
            return Ok(Ok(()));
        }
        let shown = &found[..expected.len().min(found.len())];
        Ok(Err(format!("its {name} begins with {shown}, expected {expected}")))
    }
}

fn hex<D: Digest + Update>(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = D::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        Update::update(&mut hash, &buffer[..n]);
    }
}
