//! One file over HTTP. What has come so far is kept beside the target as `NAME.part`; a repeated
//! call, or the next try after a cut connection, asks for the rest only. The file gets its name
//! when it is whole and its hash is right.

use crate::{Check, FetchError};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::Agent;
use ureq::http::Response;

/// A server that answers nothing for so long is taken for gone.
const SILENCE: Duration = Duration::from_secs(60);
/// Tries of one call, each going on where the last was cut.
const TRIES: u32 = 5;

/// Why a try ended.
enum Cut {
    /// Another try may help.
    Connection(String),
    /// None will.
    Refused(FetchError),
}

/// Brings `url` to `target`. `progress` is told the bytes so far and the whole length, where it is
/// known.
pub fn download(
    url: &str,
    target: &Path,
    check: &Check,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<(), FetchError> {
    let folder = target.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|e| FetchError::io(folder, &e))?;
    let part = part_of(target);
    let mut last = String::new();
    for attempt in 0..TRIES {
        if attempt > 0 {
            std::thread::sleep(Duration::from_millis(200 << attempt));
        }
        match bring(url, &part, progress) {
            Ok(()) => return accept(url, &part, target, check),
            Err(Cut::Connection(why)) => last = why,
            Err(Cut::Refused(e)) => return Err(e),
        }
    }
    let kept = part.metadata().map_or(0, |m| m.len());
    Err(FetchError::new(
        format!("{url}: {last}, {TRIES} times"),
        format!("check the connection and repeat the command; the {kept} bytes that came are kept"),
    ))
}

fn part_of(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
    target.with_file_name(format!("{name}.part"))
}

fn bring(url: &str, part: &Path, progress: &mut dyn FnMut(u64, Option<u64>)) -> Result<(), Cut> {
    let refused = |e: std::io::Error| Cut::Refused(FetchError::io(part, &e));
    let have = part.metadata().map_or(0, |m| m.len());
    let config = Agent::config_builder().http_status_as_error(false).timeout_connect(Some(SILENCE));
    let agent: Agent = config.timeout_recv_response(Some(SILENCE)).build().into();
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let response = request.call().map_err(|e| Cut::Connection(e.to_string()))?;
    let status = response.status().as_u16();
    let (start, total) = match status {
        200 => (0, header(&response, "content-length").and_then(|text| text.parse().ok())),
        206 => (have, total_of_range(&response)),
        // What is here already goes up to the end, or beyond it: the check will tell.
        416 => return Ok(()),
        500..=599 | 429 => return Err(Cut::Connection(format!("the server answered {status}"))),
        _ => {
            let help = "the file may have moved; download it by hand and give its path";
            return Err(Cut::Refused(FetchError::new(
                format!("{url}: the server answered {status}"),
                help,
            )));
        }
    };
    let mut file =
        File::options().create(true).write(true).truncate(false).open(part).map_err(refused)?;
    file.set_len(start).map_err(refused)?;
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(start)).map_err(refused)?;
    let mut body = response.into_body().into_reader();
    let mut buffer = vec![0; 1 << 16];
    let mut so_far = start;
    loop {
        let n = body
            .read(&mut buffer)
            .map_err(|e| Cut::Connection(format!("the connection was cut: {e}")))?;
        if n == 0 {
            break;
        }
        file.write_all(&buffer[..n]).map_err(refused)?;
        so_far += n as u64;
        progress(so_far, total);
    }
    file.sync_all().map_err(refused)?;
    match total {
        Some(total) if so_far < total => {
            Err(Cut::Connection(format!("the connection was cut at {so_far} of {total} bytes")))
        }
        _ => Ok(()),
    }
}

fn header<B>(response: &Response<B>, name: &str) -> Option<String> {
    Some(response.headers().get(name)?.to_str().ok()?.to_owned())
}

/// `bytes 100-199/200` says 200.
fn total_of_range<B>(response: &Response<B>) -> Option<u64> {
    header(response, "content-range")?.rsplit('/').next()?.parse().ok()
}

fn accept(url: &str, part: &Path, target: &Path, check: &Check) -> Result<(), FetchError> {
    let verdict = check.verify(part).map_err(|e| FetchError::io(part, &e))?;
    if let Err(why) = verdict {
        // Going on from wrong bytes would only bring them again.
        fs::remove_file(part).map_err(|e| FetchError::io(part, &e))?;
        let help =
            "nothing was kept; the server has another file, or something on the way changed it";
        return Err(FetchError::new(format!("{url}: {why}"), help));
    }
    fs::rename(part, target).map_err(|e| FetchError::io(target, &e))
}
