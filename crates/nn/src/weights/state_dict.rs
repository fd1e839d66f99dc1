//! Named tensors as files have them, before any network is known.

use super::pth;
use crate::NnError;
use safetensors::{Dtype, SafeTensors};
use std::path::Path;
use tch::{Kind, Tensor};

/// One tensor: its name, shape and values, row by row.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct StoredTensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub kind: Kind,
    pub bytes: Vec<u8>,
}

/// All tensors of a file, in its order.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct StateDict {
    pub tensors: Vec<StoredTensor>,
}

impl StoredTensor {
    /// As libtorch's tensor, on the host.
    pub fn tensor(&self) -> Result<Tensor, String> {
        let shape: Vec<i64> = self.shape.iter().map(|&n| n as i64).collect();
        Tensor::f_from_data_size(&self.bytes, &shape, self.kind).map_err(|e| format!("tensor {}: {e}", self.name))
    }
}

impl StateDict {
    /// Reads safetensors, or PyTorch's `.pth` in the zip format or the one of 2019; the content decides which it is.
    pub fn read(path: &Path) -> Result<StateDict, NnError> {
        let bytes = std::fs::read(path).map_err(|e| {
            NnError::new(
                format!("{}: {e}", path.display()),
                "check the path; `res2lab weights NAME` downloads published weights",
            )
        })?;
        let dict = if looks_like_safetensors(&bytes) {
            from_safetensors(&bytes)
        } else if bytes.starts_with(b"PK") {
            pth::read_zip(&bytes)
        } else if bytes.first() == Some(&0x80) {
            pth::read_legacy(&bytes)
        } else {
            from_safetensors(&bytes)
        };
        let dict = dict.map_err(|why| {
            NnError::new(
                format!("{}: {why}", path.display()),
                "give a safetensors file, or a .pth that holds tensors only, whole",
            )
        })?;
        Ok(dict.without_prefix())
    }

    /// DataParallel puts `module.` before every name, torch.compile `_orig_mod.`.
    fn without_prefix(mut self) -> StateDict {
        for prefix in ["module.", "_orig_mod."] {
            if !self.tensors.is_empty() && self.tensors.iter().all(|t| t.name.starts_with(prefix)) {
                self.tensors.iter_mut().for_each(|t| t.name.drain(..prefix.len()).for_each(drop));
            }
        }
        self
    }
}

/// A length of eight bytes, which may begin with any byte, then a JSON object. No pickle has a brace there.
fn looks_like_safetensors(bytes: &[u8]) -> bool {
    let length = bytes.first_chunk::<8>().map(|b| u64::from_le_bytes(*b));
    bytes.get(8) == Some(&b'{') && length.is_some_and(|n| n < 100_000_000)
}

fn from_safetensors(bytes: &[u8]) -> Result<StateDict, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| match e {
        safetensors::SafeTensorError::HeaderTooLarge | safetensors::SafeTensorError::InvalidHeaderStart => {
            "it is neither safetensors nor a .pth of PyTorch".to_owned()
        }
        other => format!("it is damaged: {other}"),
    })?;
    let tensor = |(name, view): (String, safetensors::tensor::TensorView)| {
        let kind = match view.dtype() {
            Dtype::F64 => Kind::Double,
            Dtype::F32 => Kind::Float,
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            Dtype::I64 => Kind::Int64,
            Dtype::I32 => Kind::Int,
            other => return Err(format!("tensor {name} is of type {other:?}, which weights never are")),
        };
        Ok(StoredTensor { name, shape: view.shape().to_vec(), kind, bytes: view.data().to_vec() })
    };
    Ok(StateDict { tensors: file.tensors().into_iter().map(tensor).collect::<Result<_, _>>()? })
}
