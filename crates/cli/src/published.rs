//! What others published and where it is: weights and data sets. Nothing here is fetched unless a
//! user names it.

use crate::failure::Failure;
use res2lab_fetch::Check;
use std::path::{Path, PathBuf};

/// A network's weights, by the name of the zoo.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weights {
    /// In the zoo.
    pub name: &'static str,
    /// The file; its name carries the first eight digits of its SHA-256, as PyTorch's convention
    /// has it.
    pub file: &'static str,
    /// The folder of the file on the server.
    pub place: &'static str,
}

/// The authors' files, as timm's release keeps them.
const TIMM: &str =
    "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-res2net";
/// The authors' own server.
const AUTHORS: &str = "https://shanghuagao.oss-cn-beijing.aliyuncs.com/res2net";
const TORCHVISION: &str = "https://download.pytorch.org/models";
const DLA: &str = "http://dl.yf.io/dla/models/imagenet";

const fn weights(name: &'static str, place: &'static str, file: &'static str) -> Weights {
    Weights { name, file, place }
}

/// Everything that is known to be published.
pub(crate) const WEIGHTS: [Weights; 17] = [
    weights("res2net50_26w_4s", TIMM, "res2net50_26w_4s-06e79181.pth"),
    weights("res2net50_48w_2s", TIMM, "res2net50_48w_2s-afed724a.pth"),
    weights("res2net50_14w_8s", TIMM, "res2net50_14w_8s-6527dddc.pth"),
    weights("res2net50_26w_6s", TIMM, "res2net50_26w_6s-19041792.pth"),
    weights("res2net50_26w_8s", TIMM, "res2net50_26w_8s-2c7c9f12.pth"),
    weights("res2net101_26w_4s", TIMM, "res2net101_26w_4s-02a759a1.pth"),
    weights("res2next50", TIMM, "res2next50_4s-6ef7e7bf.pth"),
    weights("dla60_res2net", TIMM, "res2net_dla60_4s-d88db7f9.pth"),
    weights("dla60_res2next", TIMM, "res2next_dla60_4s-d327927b.pth"),
    weights("res2net50d", AUTHORS, "res2net50_v1b_26w_4s-3cf99910.pth"),
    weights("res2net101d", AUTHORS, "res2net101_v1b_26w_4s-0812c246.pth"),
    weights("resnet50", TORCHVISION, "resnet50-0676ba61.pth"),
    weights("resnet101", TORCHVISION, "resnet101-63fe2227.pth"),
    weights("resnet152", TORCHVISION, "resnet152-394f9c45.pth"),
    weights("resnext50_32x4d", TORCHVISION, "resnext50_32x4d-7cdf4587.pth"),
    weights("dla60", DLA, "dla60-24839fc4.pth"),
    weights("dla60x", DLA, "dla60x-d15cacda.pth"),
];

impl Weights {
    /// Where the file goes.
    pub(crate) fn path(&self, data: &Path) -> PathBuf {
        data.join("weights").join(self.file)
    }

    /// Its address on `mirror`, or where it was published.
    pub(crate) fn url(&self, mirror: Option<&str>) -> String {
        format!("{}/{}", mirror.unwrap_or(self.place).trim_end_matches('/'), self.file)
    }

    /// The digits in the file's name.
    pub(crate) fn check(&self) -> Check {
        let stem = self.file.trim_end_matches(".pth");
        Check::Sha256(stem.rsplit('-').next().unwrap_or_default().to_owned())
    }
}

/// Looks a network up by any of its names.
pub(crate) fn weights_of(name: &str) -> Result<Weights, Failure> {
    let known = res2lab_arch::zoo::find(name)?;
    WEIGHTS.into_iter().find(|w| w.name == known.name).ok_or_else(|| {
        let names: Vec<_> = WEIGHTS.iter().map(|w| w.name).collect();
        Failure::input(
            format!("no published weights of {name} are known"),
            format!("there are some of {}", names.join(", ")),
        )
    })
}

/// A file of weights as a user may write it: its path, or the name of a network whose weights are
/// here. `#NAME` behind it says which of several networks in the file is meant, and stays there.
pub(crate) fn find_weights(given: &str, data: &Path) -> Result<PathBuf, Failure> {
    let path = at_home(given);
    // What is there but is no file of weights, a folder for one, is called by its name by who opens
    // it.
    if res2lab_nn::weights::file_of(&path).exists() {
        return Ok(path);
    }
    let (name, choice) =
        given.split_once('#').map_or((given, None), |(name, choice)| (name, Some(choice)));
    if res2lab_arch::zoo::find(name).is_err() {
        return Err(Failure::input(
            format!("weights={given}: there is no such file{}", seen_from(&path)),
            "give the path of a safetensors or .pth file, or the name of a published network",
        ));
    }
    let path = weights_of(name)?.path(data);
    if path.is_file() {
        return Ok(choice
            .map_or(path.clone(), |choice| PathBuf::from(format!("{}#{choice}", path.display()))));
    }
    Err(Failure::input(
        format!("the weights of {name} are not here ({})", path.display()),
        format!("download them with: just weights {name}"),
    ))
}

/// `~/` is the user's own folder, also where no shell has replaced it.
fn at_home(given: &str) -> PathBuf {
    match (given.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => given.into(),
    }
}

/// Where a relative path was looked for, which is not where an experiment's file is.
fn seen_from(path: &Path) -> String {
    let here = std::env::current_dir().ok().filter(|_| path.is_relative());
    here.map_or_else(String::new, |here| format!(" (looked for in {})", here.display()))
}

/// A data set's files: address and MD5 of each.
pub(crate) struct DataFiles {
    /// In the catalog.
    pub name: &'static str,
    /// Address and MD5.
    pub files: &'static [(&'static str, &'static str)],
}

/// As their authors published them.
pub(crate) const DATA: [DataFiles; 4] = [
    DataFiles {
        name: "cifar10",
        files: &[(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            "c32a1d4ab5d03f1284b67883e8d87530",
        )],
    },
    DataFiles {
        name: "cifar100",
        files: &[(
            "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
            "03b5dce01913d631647c71ecec9e9cb8",
        )],
    },
    DataFiles {
        name: "mnist",
        files: &[
            (
                "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz",
                "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            ),
            (
                "https://ossci-datasets.s3.amazonaws.com/mnist/train-labels-idx1-ubyte.gz",
                "d53e105ee54ea40749a09fcbcd1e9432",
            ),
            (
                "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-images-idx3-ubyte.gz",
                "9fb629c4189551a2d022fa330f9573f3",
            ),
            (
                "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-labels-idx1-ubyte.gz",
                "ec29112dd5afa0611ce80d1b7f02629c",
            ),
        ],
    },
    DataFiles {
        name: "fashion_mnist",
        files: &[
            (
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-images-idx3-ubyte.gz",
                "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            ),
            (
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-labels-idx1-ubyte.gz",
                "25c81989df183df01b3e8a0aad5dffbe",
            ),
            (
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-images-idx3-ubyte.gz",
                "bef4ecab320f06d8554ea6380940ec79",
            ),
            (
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-labels-idx1-ubyte.gz",
                "bb300cfdad3c16e7a12a480ee83cd310",
            ),
        ],
    },
];
