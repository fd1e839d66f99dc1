//! The fields under `train:`.

use super::Meaning;

pub(super) const MEANINGS: &[Meaning] = &[
    ("train", "The recipe."),
    ("train.epochs", "Passes over the training images."),
    (
        "train.sizes",
        "Sides of training images in pixels, each for an equal share of the epochs, e.g. \
         `[128, 160, 192]`. Crops are resized to that side; small images that are trained on \
         as they are get resized as a whole. Evaluation keeps the side of the data set. An empty \
         list is off.",
    ),
    (
        "train.batch_size",
        "Images of one optimizer step over all devices; the last partial batch of an epoch is \
         dropped.",
    ),
    (
        "train.accumulate",
        "Parts into which each batch is divided, whose gradients are averaged; it divides the \
         batch size.",
    ),
    (
        "train.devices_per_trial",
        "Processes that train one trial together, each on its own device with an equal part of \
         each batch.",
    ),
    (
        "train.sync_bn",
        "Whether batch norm uses the statistics of the images of all processes of a trial.",
    ),
    (
        "train.optimizer",
        "The optimizer, as a map from its name to its fields: `sgd`, `adamw`, `lamb` or \
         `rmsprop_tf`.",
    ),
    (
        "train.optimizer.lr",
        "Peak learning rate of the optimizer that the file names, for overrides and axes; short: \
         `lr`.",
    ),
    (
        "train.optimizer.sgd",
        "Stochastic gradient descent as in PyTorch: dampening 0, weight decay added to the \
         gradient.",
    ),
    ("train.optimizer.sgd.lr", "Peak learning rate, above 0."),
    (
        "train.optimizer.sgd.momentum",
        "Momentum, from 0 to below 1; the schedule `one_cycle` replaces it.",
    ),
    ("train.optimizer.sgd.nesterov", "Whether the momentum is Nesterov's."),
    ("train.optimizer.sgd.weight_decay", "L2 penalty; 0 is off."),
    (
        "train.optimizer.sgd.decay_on",
        "Parameters with weight decay: `all`, or `weights` (of convolutions and linear layers, \
         without batch norm and biases).",
    ),
    (
        "train.optimizer.adamw",
        "Adam with decoupled weight decay, as PyTorch's AdamW; not with float16.",
    ),
    ("train.optimizer.adamw.lr", "Peak learning rate, above 0."),
    (
        "train.optimizer.adamw.betas",
        "Shares of the means of gradients and of their squares that a step keeps, each from 0 to \
         below 1; the schedule `one_cycle` replaces the first.",
    ),
    ("train.optimizer.adamw.eps", "Added to the root of the mean of squares, above 0."),
    (
        "train.optimizer.adamw.weight_decay",
        "Share of each value, times the learning rate, that a step takes away; 0 is off.",
    ),
    (
        "train.optimizer.adamw.decay_on",
        "Parameters with weight decay: `all`, or `weights` (as timm: tensors of more than one \
         dimension).",
    ),
    (
        "train.optimizer.lamb",
        "LAMB as timm's: Adam's update, of a length in proportion to that of each tensor; not with \
         float16.",
    ),
    ("train.optimizer.lamb.lr", "Peak learning rate, above 0."),
    (
        "train.optimizer.lamb.betas",
        "Shares of the means of gradients and of their squares that a step keeps, each from 0 to \
         below 1; the schedule `one_cycle` replaces the first.",
    ),
    ("train.optimizer.lamb.eps", "Added to the root of the mean of squares, above 0."),
    (
        "train.optimizer.lamb.weight_decay",
        "Share of each value that is added to its update; 0 is off.",
    ),
    (
        "train.optimizer.lamb.decay_on",
        "Parameters with weight decay: `all`, or `weights` (as timm: tensors of more than one \
         dimension).",
    ),
    (
        "train.optimizer.lamb.max_grad_norm",
        "Norm of the whole gradient to which the optimizer scales a larger one down; 0 is off.",
    ),
    (
        "train.optimizer.lamb.trust_clip",
        "Whether the ratio of the length of values to that of their update is at most 1 (LAMBC).",
    ),
    (
        "train.optimizer.lamb.always_adapt",
        "Whether tensors without weight decay have such a ratio too.",
    ),
    (
        "train.optimizer.rmsprop_tf",
        "RMSprop as TensorFlow's (timm's `rmsproptf`): the mean of squares begins with 1, `eps` is \
         under the root, and the momentum holds the learning rate; not with float16.",
    ),
    ("train.optimizer.rmsprop_tf.lr", "Peak learning rate, above 0."),
    (
        "train.optimizer.rmsprop_tf.alpha",
        "Share of the mean of squares that a step keeps, from 0 to below 1.",
    ),
    (
        "train.optimizer.rmsprop_tf.eps",
        "Added to the mean of squares before its root, above 0; timm's recipes give 0.001.",
    ),
    (
        "train.optimizer.rmsprop_tf.momentum",
        "Momentum, from 0 to below 1; the schedule `one_cycle` replaces it.",
    ),
    ("train.optimizer.rmsprop_tf.weight_decay", "L2 penalty; 0 is off."),
    (
        "train.optimizer.rmsprop_tf.decay_on",
        "Parameters with weight decay: `all`, or `weights` (as timm: tensors of more than one \
         dimension).",
    ),
    (
        "train.layer_decay",
        "Factor of the learning rate from one layer to the layer before it, above 0 to 1, with \
         timm's layers: the stem, each block, the head; 1 is off.",
    ),
    (
        "train.schedule",
        "Learning rate over time: `constant`, `one_cycle` (PyTorch's OneCycleLR with its \
         defaults), `cosine`, `polynomial`, `step` or `multi_step`; the last four take fields.",
    ),
    ("train.schedule.step", "The learning rate is multiplied by gamma at regular intervals."),
    ("train.schedule.step.every", "Epochs from one decay to the next, at least 1."),
    ("train.schedule.step.gamma", "Factor of each decay, above 0."),
    ("train.schedule.multi_step", "The learning rate is multiplied by gamma at given epochs."),
    (
        "train.schedule.multi_step.at",
        "Rising epochs at whose start the learning rate decays, counted from 0.",
    ),
    ("train.schedule.multi_step.gamma", "Factor of each decay, above 0."),
    (
        "train.schedule.cosine",
        "Half a cosine period from the peak learning rate down to `min_lr`, after a linear \
         warm-up.",
    ),
    ("train.schedule.cosine.warmup_epochs", "Epochs of the linear warm-up."),
    (
        "train.schedule.cosine.warmup_lr",
        "Learning rate of the first step; without it, the warm-up of n steps begins with a n-th \
         of the peak.",
    ),
    ("train.schedule.cosine.min_lr", "Final learning rate."),
    (
        "train.schedule.cosine.cooldown_epochs",
        "Epochs at the end in which the learning rate stays at `min_lr`.",
    ),
    (
        "train.schedule.cosine.cycles",
        "Times that the learning rate falls, each time from the peak again, at least 1.",
    ),
    (
        "train.schedule.cosine.cycle_decay",
        "Factor of the peak from one cycle to the next, above 0.",
    ),
    (
        "train.schedule.cosine.from_start",
        "Whether the decay counts from the first step and not from the end of the warm-up, so \
         that it begins below the peak, as in timm without `warmup_prefix`.",
    ),
    (
        "train.schedule.cosine.per_epoch",
        "Whether the learning rate changes from epoch to epoch and not from step to step.",
    ),
    (
        "train.schedule.polynomial",
        "As `cosine`, with `(1 - t)^power` in place of half a cosine period, where t is the \
         share that is done.",
    ),
    ("train.schedule.polynomial.power", "The power, above 0; 1 is a straight line."),
    ("train.schedule.polynomial.warmup_epochs", "Epochs of the linear warm-up."),
    (
        "train.schedule.polynomial.warmup_lr",
        "Learning rate of the first step; without it, the warm-up of n steps begins with a n-th \
         of the peak.",
    ),
    ("train.schedule.polynomial.min_lr", "Final learning rate."),
    (
        "train.schedule.polynomial.cooldown_epochs",
        "Epochs at the end in which the learning rate stays at `min_lr`.",
    ),
    (
        "train.schedule.polynomial.cycles",
        "Times that the learning rate falls, each time from the peak again, at least 1.",
    ),
    (
        "train.schedule.polynomial.cycle_decay",
        "Factor of the peak from one cycle to the next, above 0.",
    ),
    (
        "train.schedule.polynomial.from_start",
        "Whether the decay counts from the first step and not from the end of the warm-up, so \
         that it begins below the peak, as in timm without `warmup_prefix`.",
    ),
    (
        "train.schedule.polynomial.per_epoch",
        "Whether the learning rate changes from epoch to epoch and not from step to step.",
    ),
    (
        "train.loss",
        "What training minimizes: `cross_entropy`, `bce` (binary cross-entropy of each class) or \
         `focal`; the last two take fields. Evaluations report cross-entropy in any case.",
    ),
    ("train.loss.bce", "Binary cross-entropy of each class by itself, as timm's."),
    (
        "train.loss.bce.threshold",
        "Targets above this, from 0 to below 1, are 1, the others 0; without it they stay as label \
         smoothing and mixing make them.",
    ),
    (
        "train.loss.bce.sum_classes",
        "Whether the loss of an image is the sum over the classes and not their mean.",
    ),
    (
        "train.loss.focal",
        "Cross-entropy times (1 - p)^gamma, where p is the class's predicted share.",
    ),
    ("train.loss.focal.gamma", "That power, at least 0."),
    (
        "train.class_weights",
        "A weight for each class in the loss, in their order; empty if all are 1.",
    ),
    (
        "train.label_smoothing",
        "Weight e of the uniform distribution in the targets, from 0 to below 1: (1 - e) * onehot \
         + e / classes.",
    ),
    (
        "train.clip_norm",
        "Largest norm of the whole gradient, to which larger gradients are scaled down; 0 is off.",
    ),
    ("train.clip_value", "Largest absolute value of each element of the gradient; 0 is off."),
    (
        "train.clip_agc",
        "Adaptive gradient clipping as timm's: largest norm of each output channel's gradient as a \
         share of its weights' norm, without the head; 0 is off. One way of clipping at a time.",
    ),
    (
        "train.mixup",
        "Alpha of mixup, 0 to 100: pairs of images and labels are mixed with a weight from \
         Beta(alpha, alpha); 0 is off.",
    ),
    (
        "train.cutmix",
        "Alpha of CutMix, 0 to 100: a box of one image is replaced by that of another, with an \
         area from Beta(alpha, alpha); 0 is off, and with mixup each batch gets one of the two.",
    ),
    (
        "train.mix_prob",
        "Share of the batches, pairs or images that mixup or CutMix changes, from 0 to 1.",
    ),
    ("train.mix_switch_prob", "Share of CutMix where mixup is on too, from 0 to 1."),
    (
        "train.mix_mode",
        "What gets one choice and one weight of mixup and CutMix, as in timm: `batch`, `pair` or \
         `elem` (each image). Where several processes train one trial, or parts of a batch are \
         accumulated, a batch is the part of one process: its images are mixed with one another \
         only.",
    ),
    (
        "train.drop_path",
        "Probability that the residual branch of the last block is dropped for an image, from 0 to \
         below 1; it rises linearly from 0 at the first block (stochastic depth, as timm's), and 0 \
         is off. Not for the family `dla`.",
    ),
    (
        "train.dropout",
        "Probability that a feature before the head is dropped, from 0 to below 1; 0 is off.",
    ),
    (
        "train.ema",
        "Decay of an exponential moving average of all weights, from 0 to below 1; the average is \
         evaluated and kept as best, and 0 is off.",
    ),
    (
        "train.ema_warmup",
        "Largest decay of the moving average at step t from 0: `tensorflow`, (1 + t) / (10 + t); \
         `timm`, 1 - (1 + t)^(-2/3); or `none`.",
    ),
    (
        "train.eval_every",
        "Epochs from one evaluation to the next; the last epoch is always evaluated.",
    ),
    ("train.log_every", "Optimizer steps from one log entry of the training loss to the next."),
    (
        "train.precision",
        "Arithmetic of the network: `f32`, `tf32` (as `f32`, with TF32 products on a GPU), `f64`, \
         `bf16` (on a CPU activations in bfloat16, on a GPU autocast) or `fp16` (autocast with loss \
         scaling).",
    ),
    (
        "train.plain",
        "Whether a CPU trains by libtorch's operators and autograd instead of the planned step.",
    ),
    (
        "train.cuda_graph",
        "Whether a GPU records the step once as a CUDA graph: `true`, `false`, or `auto`, which \
         records where `just gpu-check` has passed on this card. Not with mixup, CutMix, drop path, dropout or `sizes`, and not with \
         several devices and `accumulate` together.",
    ),
    (
        "train.fused_evaluation",
        "Whether a GPU evaluates with batch norms folded into the convolutions, and with sums and \
         ReLUs fused: `true`, `false`, or `auto`, which does so where `just gpu-check` has found it \
         equal and faster on this card.",
    ),
    (
        "train.layout",
        "Memory layout for libtorch's operators: `contiguous` (NCHW), `channels_last` (NHWC), or \
         `auto`: `channels_last` but for float32 on a GPU with many grouped convolutions. The \
         planned step has its own.",
    ),
    (
        "train.max_minutes",
        "Minutes of training, all attempts together, after which training ends with an \
         evaluation; 0 is no limit.",
    ),
];
