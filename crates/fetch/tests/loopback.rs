//! Downloads from a server on this machine: whole, cut, wrong, missing.

use res2lab_fetch::{Check, download, unpack};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What the server does with its next request.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Whole,
    /// Closes the connection after so many bytes of the answer.
    Cut(usize),
    Missing,
}

struct Server {
    url: String,
    /// The Range header of each request.
    ranges: Arc<Mutex<Vec<Option<usize>>>>,
}

fn serve(content: Vec<u8>, moods: Vec<Mood>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/file.bin", listener.local_addr().unwrap());
    let ranges = Arc::new(Mutex::new(vec![]));
    let seen = Arc::clone(&ranges);
    std::thread::spawn(move || {
        let mut moods = moods.into_iter();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut range = None;
            for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                let line = line.unwrap().to_ascii_lowercase();
                if let Some(from) = line.strip_prefix("range: bytes=") {
                    range = from.trim_end_matches('-').parse::<usize>().ok();
                }
                if line.is_empty() {
                    break;
                }
            }
            seen.lock().unwrap().push(range);
            let mood = moods.next().unwrap_or(Mood::Whole);
            let n = content.len();
            let from = range.unwrap_or(0);
            let head = match (mood, range) {
                (Mood::Missing, _) => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n".to_owned(),
                (_, Some(from)) if from >= n => {
                    "HTTP/1.1 416 Range Not Satisfiable\r\ncontent-length: 0\r\n".to_owned()
                }
                (_, Some(from)) => format!(
                    "HTTP/1.1 206 Partial Content\r\ncontent-length: {}\r\ncontent-range: bytes {from}-{}/{n}\r\n",
                    n - from,
                    n - 1
                ),
                (_, None) => format!("HTTP/1.1 200 OK\r\ncontent-length: {n}\r\n"),
            };
            let body = if head.contains("length: 0") { &[] } else { &content[from..] };
            let body =
                if let Mood::Cut(bytes) = mood { &body[..bytes.min(body.len())] } else { body };
            let _ = stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes());
            let _ = stream.write_all(body);
        }
    });
    Server { url, ranges }
}

fn content() -> Vec<u8> {
    (0..200_000_u32).map(|i| (i * 7 % 251) as u8).collect()
}

/// The content's SHA-256 by Python's hashlib.
const SHA256: &str = "ff41b7e9cc397e9de1484b9ba8bd73b47c1bdfbc363d738bde401789cca5ef56";

fn bring(server: &Server, target: &Path, check: &Check) -> Result<(), res2lab_fetch::FetchError> {
    download(&server.url, target, check, &mut |_, _| {})
}

#[test]
fn a_whole_file_gets_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("weights/file.bin");
    let mut last = (0, None);
    let server = serve(content(), vec![]);
    let check = Check::Sha256(SHA256[..8].into());
    download(&server.url, &target, &check, &mut |so_far, total| last = (so_far, total)).unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), content());
    assert_eq!(last, (200_000, Some(200_000)));
    assert_eq!(std::fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_cut_connection_is_taken_up_where_it_was_cut() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("file.bin");
    let server = serve(content(), vec![Mood::Cut(70_000), Mood::Cut(50_000)]);
    bring(&server, &target, &Check::Sha256(SHA256.into())).unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), content());
    let ranges = server.ranges.lock().unwrap().clone();
    assert_eq!(ranges.len(), 3);
    assert_eq!(ranges[0], None);
    assert!(
        ranges[1].is_some_and(|from| from > 0 && from <= 70_000) && ranges[2] > ranges[1],
        "{ranges:?}"
    );
}

#[test]
fn a_later_call_goes_on_from_what_an_earlier_one_kept() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("file.bin");
    let gone = serve(
        content(),
        vec![Mood::Cut(90_000), Mood::Cut(0), Mood::Cut(0), Mood::Cut(0), Mood::Cut(0)],
    );
    let e = bring(&gone, &target, &Check::Length).unwrap_err();
    assert!(e.cause.contains("cut") && e.help.contains("90000 bytes") && !target.exists(), "{e:?}");
    let back = serve(content(), vec![]);
    bring(&back, &target, &Check::Sha256(SHA256.into())).unwrap();
    assert_eq!(*back.ranges.lock().unwrap(), [Some(90_000)]);
    // A part that is whole already needs no byte more.
    std::fs::rename(&target, dir.path().join("file.bin.part")).unwrap();
    bring(&back, &target, &Check::Sha256(SHA256.into())).unwrap();
}

#[test]
fn a_wrong_file_is_refused_and_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("file.bin");
    let e = bring(
        &serve(b"something else".to_vec(), vec![]),
        &target,
        &Check::Sha256("06e79181".into()),
    )
    .unwrap_err();
    assert!(e.cause.contains("expected 06e79181"), "{e:?}");
    let e = bring(&serve(b"something else".to_vec(), vec![]), &target, &Check::Md5("00".into()))
        .unwrap_err();
    assert!(e.cause.contains("its MD5 begins with"), "{e:?}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_missing_file_is_an_error_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(vec![], vec![Mood::Missing]);
    let e = bring(&server, &dir.path().join("file.bin"), &Check::Length).unwrap_err();
    assert!(e.cause.contains("404"), "{e:?}");
    assert_eq!(server.ranges.lock().unwrap().len(), 1);
}

#[test]
fn an_archive_is_unpacked_and_damage_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let packed = dir.path().join("a.tar.gz");
    let file = std::fs::File::create(&packed).unwrap();
    let mut tar =
        tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_cksum();
    tar.append_data(&mut header, "inner/x.bin", b"hello".as_slice()).unwrap();
    tar.into_inner().unwrap().finish().unwrap();
    unpack(&packed, dir.path()).unwrap();
    assert_eq!(std::fs::read(dir.path().join("inner/x.bin")).unwrap(), b"hello");
    let bytes = std::fs::read(&packed).unwrap();
    std::fs::write(&packed, &bytes[..bytes.len() / 2]).unwrap();
    assert!(unpack(&packed, dir.path()).is_err());
}
