//! The bytes of a connection, as the listeners read them: how they arrive changes nothing, and no head passes its limit.

use std::future::poll_fn;
use std::pin::Pin;

use tokio::io::{AsyncRead, ReadBuf};

#[path = "../../src/collect/strict_head.rs"]
mod strict_head;

use strict_head::{HeadLimit, StrictHead, TOO_LARGE};

const LIMIT: HeadLimit = HeadLimit { bytes: 200, fields: 8 };

/// What hyper gets, if it reads so many bytes at once.
fn passed(data: &[u8], piece: usize) -> Vec<u8> {
    let mut connection = StrictHead::new(data, LIMIT);
    let mut out = Vec::new();
    let mut space = vec![0; piece];
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        loop {
            let mut read = ReadBuf::new(&mut space);
            poll_fn(|context| Pin::new(&mut connection).poll_read(context, &mut read)).await.expect("bytes");
            if read.filled().is_empty() {
                break;
            }
            out.extend_from_slice(read.filled());
        }
    });
    out
}

/// The bytes of a connection; the first chooses in which pieces they are read.
pub(crate) fn run(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    let whole = passed(data, 1 << 16);
    assert_eq!(passed(data, usize::from(*first) % 40 + 1), whole, "in other pieces");
    let kept = data.iter().zip(&whole).take_while(|(sent, passed)| sent == passed).count();
    let is_cut = whole.ends_with(format!("{TOO_LARGE}: 1\r\n\r\n").as_bytes());
    assert!(is_cut || kept == whole.len() || whole[kept] == 0, "a byte is only replaced by NUL");
    assert!(is_cut || whole.len() <= data.len(), "nothing is added but the end of a head that is cut");
}
