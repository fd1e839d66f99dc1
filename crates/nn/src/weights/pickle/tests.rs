//! Pickles as Python writes them, and as it does not.

use super::machine::signed;
use super::*;

#[test]
fn plain_values_are_read_as_python_wrote_them() {
    // pickle.dumps({"a": (1, -2, 3.5), "b": [True, None]}, protocol=2)
    let bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01J\xfe\xff\xff\xffG@\x0c\x00\x00\x00\x00\x00\x00\x87q\x02X\x01\x00\x00\x00bq\x03]q\x04(\x88Neu.";
    // The same with protocol 0.
    let text = b"(dp0\nVa\np1\n(I1\nI-2\nF3.5\ntp2\nsVb\np3\n(lp4\nI01\naNas.";
    for bytes in [&bytes[..], text] {
        let (pickle, length) = read(bytes).unwrap();
        assert_eq!(length, bytes.len());
        let entries = pickle.entries(pickle.root).unwrap();
        let a = pickle.items(pickle.entry(entries, "a").unwrap()).unwrap();
        assert_eq!((pickle.int(a[0]), pickle.int(a[1])), (Some(1), Some(-2)));
        assert_eq!(pickle.get(a[2]), &Value::Float(3.5));
        let b = pickle.items(pickle.entry(entries, "b").unwrap()).unwrap();
        assert_eq!([pickle.get(b[0]), pickle.get(b[1])], [&Value::Bool(true), &Value::None]);
    }
}

#[test]
fn long_numbers_keep_their_sign_and_longer_ones_are_no_error() {
    let magic = signed(&[0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]);
    assert_eq!(magic, Value::Int(0x1950_a86a_20f9_469c_fc6c));
    assert_eq!(signed(&[0xff]), Value::Int(-1));
    assert_eq!(signed(&[]), Value::Int(0));
    assert_eq!(signed(&[1; 17]), Value::Other);
}

#[test]
fn functions_that_run_code_are_refused_by_name() {
    let e = read(b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00id\x85R.").unwrap_err();
    assert!(e.contains("posix.system") && e.contains("nothing was run"), "{e}");
    // The same through the newer instruction, the older one, and a class.
    for bytes in [&b"\x80\x04\x8c\x05posix\x8c\x06system\x93."[..], b"(S'id'\niposix\nsystem\n."] {
        let e = read(bytes).unwrap_err();
        assert!(e.contains("posix.system"), "{e}");
    }
    // getattr is how Python pickles members of an enumeration, and a way to everything there is.
    let getattr = |name: &str| {
        let mut bytes =
            b"\x80\x04\x8c\x08builtins\x8c\x07getattr\x93c__main__\nColor\n\x8c".to_vec();
        bytes.push(name.len() as u8);
        bytes.extend(name.as_bytes());
        bytes.extend(b"\x86R.");
        read(&bytes)
    };
    assert!(getattr("RED").is_ok());
    assert!(getattr("__subclasses__").unwrap_err().contains("builtins.getattr"));
}

#[test]
fn what_is_not_known_is_kept_as_a_name() {
    // pickle.dumps(argparse.Namespace(lr=0.5), protocol=2)
    let bytes =
        b"\x80\x02cargparse\nNamespace\nq\x00)\x81q\x01}q\x02X\x02\x00\x00\x00lrq\x03G?\xe0\x00\x00\x00\x00\x00\x00sb.";
    let (pickle, _) = read(bytes).unwrap();
    let Value::Made(made) = pickle.get(pickle.root) else {
        panic!("{:?}", pickle.get(pickle.root))
    };
    assert!(made.by == "argparse.Namespace" && made.args.is_empty() && made.state.is_some());
    // A set (protocol 4), a frozen one, bytes, a byte array.
    for bytes in [
        &b"\x80\x04\x8f\x94(K\x01K\x02\x90."[..],
        b"\x80\x04(K\x01K\x02\x91.",
        b"\x80\x03C\x01x.",
        b"\x80\x05\x96\x01\0\0\0\0\0\0\0x.",
    ] {
        let (pickle, length) = read(bytes).unwrap();
        assert_eq!((pickle.get(pickle.root), length), (&Value::Other, bytes.len()));
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let whole =
        b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01J\xfe\xff\xff\xff\x86q\x02X\x01\x00\x00\x00bq\x03]q\x04(\x88Neu.";
    for end in 0..whole.len() {
        assert!(read(&whole[..end]).is_err(), "{end}");
    }
    // Each byte in turn replaced by each instruction: errors or values, never a panic.
    for at in 0..whole.len() {
        for byte in 0..=255 {
            let mut bytes = whole.to_vec();
            bytes[at] = byte;
            let _ = read(&bytes);
        }
    }
}
