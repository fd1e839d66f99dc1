//! A convolution in all directions, with planes stored as some type.

use super::values;
use res2lab_kernels::{
    Bf16, ConvKernel, ConvShape, Epilogue, Gradient, InputGradient, Share, Stored, View,
};

pub(crate) const IMAGES: usize = 3;

/// What a convolution computes.
pub(crate) struct Results<T> {
    pub out: Vec<T>,
    /// The sums of the output's channels and of their squares; zeros if threads share the work.
    pub sums: Vec<f64>,
    pub input_gradient: Vec<T>,
    pub weights_gradient: Vec<f32>,
}

/// All images of a tensor without gaps.
pub(crate) fn view<T>(memory: &mut [T], channels: usize, height: usize, width: usize) -> View<T> {
    let image_stride = channels * height * width;
    View { at: memory.as_mut_ptr(), image_stride, channels, height, width }
}

/// Random values that bfloat16 represents, and the same values in float32.
pub(crate) fn both(n: usize, seed: u64) -> (Vec<Bf16>, Vec<f32>) {
    let stored: Vec<Bf16> = values::<f32>(n, seed).into_iter().map(Bf16::from_f32).collect();
    let reals = stored.iter().map(|value| value.to_f32()).collect();
    (stored, reals)
}

/// The elements of the input, and of the output.
pub(crate) fn sizes(shape: ConvShape) -> [usize; 2] {
    let (rows, cols) = shape.output();
    [shape.channels * shape.height * shape.width, shape.out * rows * cols].map(|n| IMAGES * n)
}

pub(crate) fn shape(
    channels: usize,
    size: usize,
    out: usize,
    kernel: usize,
    stride: usize,
    groups: usize,
) -> ConvShape {
    ConvShape {
        channels,
        height: size,
        width: size + 1,
        out,
        kernel,
        stride,
        padding: kernel / 2,
        dilation: 1,
        groups,
    }
}

/// Convolves `x`, and computes both gradients from `dy`; that of the weights is added to 0.5 if
/// `add`. `threads` share the forward pass one after the other.
pub(crate) fn convolve<T: Stored<Real = f32>>(
    shape: ConvShape,
    [mut x, mut dy]: [Vec<T>; 2],
    weights: &[f32],
    add: bool,
    threads: usize,
) -> Results<T> {
    let conv = ConvKernel::new(shape);
    let (rows, cols) = shape.output();
    let mut packed = vec![0.0; conv.packed_len()];
    let mut back = vec![0.0; conv.packed_backward_len()];
    // What is read without being written shows as NaN.
    let mut scratch = vec![f32::NAN; conv.scratch_len().max(conv.backward_scratch_len())];
    let mut results = Results {
        out: vec![T::default(); dy.len()],
        sums: vec![0.0; 2 * shape.out],
        input_gradient: vec![T::default(); x.len()],
        weights_gradient: vec![0.5; weights.len()],
    };
    let shares = || (0..threads).map(|index| Share { index, of: threads });
    // SAFETY: each view covers one of the vectors, which this call borrows exclusively.
    unsafe {
        let x = view(&mut x, shape.channels, shape.height, shape.width);
        let out = view(&mut results.out, shape.out, rows, cols);
        let of = view(&mut dy, shape.out, rows, cols);
        for share in shares() {
            conv.pack_share::<T>(weights, packed.as_mut_ptr(), share);
            conv.pack_backward_share::<T>(weights, back.as_mut_ptr(), share);
        }
        for share in shares() {
            let epilogue = match threads {
                1 => Epilogue::Sums(&mut results.sums),
                _ => Epilogue::Store,
            };
            conv.forward(&packed, &[x], out, epilogue, 0..IMAGES, &mut scratch, share);
        }
        let into = view(&mut results.input_gradient, shape.channels, shape.height, shape.width);
        let mut into = [InputGradient { into, epilogue: Epilogue::Store }];
        let gradient = Gradient { of, norm: None };
        let weights = Some((&mut results.weights_gradient[..], add));
        conv.backward(&gradient, &[x], &back, weights, &mut into, 0..IMAGES, &mut scratch);
    }
    results
}
