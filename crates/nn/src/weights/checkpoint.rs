//! Saves and loads state as safetensors, with published names and shapes, independent of the memory
//! layout.

use crate::Params;
use res2lab_error::Error;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::collections::HashMap;
use std::path::Path;
use tch::{Kind, Tensor};
use xxhash_rust::xxh3::Xxh3;

/// The prefix of momentum buffers in a checkpoint.
pub const MOMENTUM: &str = "momentum.";

/// The prefix of means of squared gradients in a checkpoint.
pub const SECOND: &str = "second.";

/// The prefix of the moving average in a checkpoint.
pub const AVERAGE: &str = "ema.";

/// The separator between the header's string and the checksum.
const CHECKSUM: &str = "\nxxh3 ";

/// Encodes the state as a safetensors file, optionally with momentum and moving average, and with
/// one string under `res2lab` in its header.
pub fn to_bytes(params: &Params, with_momentum: bool, header: &str) -> Result<Vec<u8>, Error> {
    let mut buffers = Vec::new();
    let host = params.on_host();
    for (index, entry) in params.entries().iter().enumerate() {
        let mut push = |prefix: &str, tensor: &Tensor| {
            let name = format!("{prefix}{}", entry.name);
            buffers.push((name, entry.shape.clone(), tensor.kind(), raw(tensor)));
        };
        push("", &host.values[index]);
        if let Some(momentum) = host.momentum[index].as_ref().filter(|_| with_momentum) {
            push(MOMENTUM, momentum);
            if let Some(second) = &host.second {
                push(SECOND, &second[index]);
            }
        }
        if let Some(average) = host.average.as_ref().filter(|_| with_momentum) {
            push(AVERAGE, &average[index]);
        }
    }
    let broken = |e: safetensors::SafeTensorError| {
        Error::machine(format!("cannot encode weights: {e}"), "report this")
    };
    let views = buffers.iter().map(|(name, shape, kind, bytes)| {
        let dtype = if *kind == Kind::Double { Dtype::F64 } else { Dtype::F32 };
        TensorView::new(dtype, shape.clone(), bytes)
            .map(|view| (name.clone(), view))
            .map_err(broken)
    });
    let views = views.collect::<Result<Vec<_>, _>>()?;
    let sum = checksum(header, views.iter().map(|(name, view)| (name.as_str(), view)).collect());
    // One string holds both, because several strings would be written in undefined order, and equal
    // runs must write equal bytes.
    let metadata = HashMap::from([("res2lab".to_owned(), format!("{header}{CHECKSUM}{sum:016x}"))]);
    safetensors::serialize(views, Some(metadata)).map_err(broken)
}

/// The checksum: XXH3 of the header's string and of each tensor with its name, type and shape.
fn checksum(header: &str, mut tensors: Vec<(&str, &TensorView)>) -> u64 {
    tensors.sort_by_key(|(name, _)| *name);
    let mut hash = Xxh3::new();
    hash.update(header.as_bytes());
    for (name, view) in tensors {
        hash.update(format!("{name} {:?} {:?}", view.dtype(), view.shape()).as_bytes());
        hash.update(view.data());
    }
    hash.digest()
}

/// Verifies the checksum that [`to_bytes`] wrote. Returns false for old files and those of other
/// programs, which have none, and an error if tensors or header differ.
pub fn verify(bytes: &[u8], path: &Path) -> Result<bool, Error> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| damaged(path, e))?;
    let text =
        metadata.metadata().as_ref().and_then(|m| m.get("res2lab")).map_or("", String::as_str);
    let Some((header, sum)) = text.split_once(CHECKSUM) else { return Ok(false) };
    let file = SafeTensors::deserialize(bytes).map_err(|e| damaged(path, e))?;
    let tensors = file.tensors();
    let found =
        checksum(header, tensors.iter().map(|(name, view)| (name.as_str(), view)).collect());
    if format!("{found:016x}") == sum {
        Ok(true)
    } else {
        Err(damaged(path, "its checksum differs"))
    }
}

/// The string in the header that [`to_bytes`] wrote; empty if there is none. `path` is for
/// messages.
pub fn header(bytes: &[u8], path: &Path) -> Result<String, Error> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| damaged(path, e))?;
    let text =
        metadata.metadata().as_ref().and_then(|m| m.get("res2lab")).map_or("", String::as_str);
    Ok(text.split_once(CHECKSUM).map_or(text, |(header, _)| header).to_owned())
}

fn damaged(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::machine(
        format!("{} is damaged: {why}", path.display()),
        "remove it to start from the beginning",
    )
}

/// Loads state that [`to_bytes`] wrote, with momentum and moving average if both the file and
/// `params` have them. Errors name tensors that are missing or have another shape; `path` is for
/// messages.
pub fn from_bytes(params: &mut Params, bytes: &[u8], path: &Path) -> Result<(), Error> {
    let broken = |why: String| damaged(path, why);
    let file = SafeTensors::deserialize(bytes).map_err(|e| broken(e.to_string()))?;
    for index in 0..params.entries().len() {
        let name = params.entries()[index].name.clone();
        let shape = params.entries()[index].shape.clone();
        params.set(index, &read(&file, &name, &shape).map_err(broken)?);
        let momentum = format!("{MOMENTUM}{name}");
        if params.momentum(index).is_some() && file.tensor(&momentum).is_ok() {
            params.set_momentum(index, &read(&file, &momentum, &shape).map_err(broken)?);
        }
        let second = format!("{SECOND}{name}");
        if params.second(index).is_some() && file.tensor(&second).is_ok() {
            params.set_second(index, &read(&file, &second, &shape).map_err(broken)?);
        }
        let average = format!("{AVERAGE}{name}");
        if params.average(index).is_some() && file.tensor(&average).is_ok() {
            params.set_average(index, &read(&file, &average, &shape).map_err(broken)?);
        }
    }
    Ok(())
}

fn read(file: &SafeTensors, name: &str, shape: &[usize]) -> Result<Tensor, String> {
    let view = file.tensor(name).map_err(|_| format!("tensor {name} is missing"))?;
    if view.shape() != shape {
        return Err(format!(
            "tensor {name} has shape {:?}, the network's is {shape:?}",
            view.shape()
        ));
    }
    let kind = match view.dtype() {
        Dtype::F64 => Kind::Double,
        Dtype::F32 => Kind::Float,
        other => {
            return Err(format!("tensor {name} is of type {other:?}, expected float32 or float64"));
        }
    };
    let shape: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
    Tensor::f_from_data_size(view.data(), &shape, kind).map_err(|e| format!("tensor {name}: {e}"))
}

/// The values in published order, as bytes in the machine's byte order. Safetensors is
/// little-endian, and so are all machines that libtorch supports.
fn raw(tensor: &Tensor) -> Vec<u8> {
    let host = tensor.detach().contiguous();
    let size = if host.kind() == Kind::Double { 8 } else { 4 };
    let mut bytes = vec![0_u8; host.numel() * size];
    host.copy_data_u8(&mut bytes, host.numel());
    bytes
}
