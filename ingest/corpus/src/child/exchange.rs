//! One request and its reply over a child's pipes.

use std::io;

use futures::{StreamExt, try_join};
use kubemate_objects::ByteStream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The file's bytes stopped coming.
    Body(io::Error),
    /// The reply is longer than allowed.
    TooLong,
    /// The child closed a pipe.
    Ended,
}

/// Sends the request while listening for the reply. Gives the reply with its length in front, as it came.
pub(super) async fn exchange(
    input: &mut (impl AsyncWrite + Unpin),
    output: &mut (impl AsyncRead + Unpin),
    head: Vec<u8>,
    body: ByteStream,
    longest: u64,
) -> Result<Vec<u8>, Trouble> {
    // A child that gave up closes its input and may still reply, so a broken pipe alone is no trouble.
    let ((), reply) = try_join!(send(input, head, body), receive(output, longest))?;
    Ok(reply)
}

async fn send(input: &mut (impl AsyncWrite + Unpin), head: Vec<u8>, mut body: ByteStream) -> Result<(), Trouble> {
    let mut open = input.write_all(&head).await.is_ok();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(Trouble::Body)?;
        open = open && input.write_all(&piece).await.is_ok();
        if !open {
            return Ok(());
        }
    }
    input.flush().await.map_err(|_| Trouble::Ended)
}

async fn receive(output: &mut (impl AsyncRead + Unpin), longest: u64) -> Result<Vec<u8>, Trouble> {
    let mut length = [0; 8];
    output.read_exact(&mut length).await.map_err(|_| Trouble::Ended)?;
    let expected = u64::from_le_bytes(length);
    if expected > longest {
        return Err(Trouble::TooLong);
    }
    let mut reply = length.to_vec();
    output.take(expected).read_to_end(&mut reply).await.map_err(|_| Trouble::Ended)?;
    if (reply.len() as u64) < expected.saturating_add(8) {
        return Err(Trouble::Ended);
    }
    Ok(reply)
}
