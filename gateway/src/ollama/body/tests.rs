use std::io;

use futures::{StreamExt, stream};
use http::StatusCode;
use http_body_util::{Full, StreamBody};

use super::*;
use crate::ollama::Shape;

fn reading(streams: bool) -> Reading {
    Reading { shape: Shape::Chat, model: "m".to_owned(), streams, counts: false, logprobs: false }
}

fn pieces(pieces: Vec<io::Result<&'static str>>) -> impl Body<Data = Bytes, Error = io::Error> + Unpin {
    StreamBody::new(
        stream::iter(pieces).map(|piece| piece.map(|text| Frame::data(Bytes::from_static(text.as_bytes())))),
    )
}

const LAST: &str = "{\"message\":{\"role\":\"assistant\",\"content\":\"b\"},\"done\":true,\"done_reason\":\"stop\"}\n";

#[tokio::test]
async fn each_event_is_a_frame_of_its_own_and_the_media_type_is_right() {
    let first = "{\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"done\":false}\n";
    let upstream = Response::builder().header("content-type", "application/x-ndjson").header("content-length", "9");
    let response = translate(reading(true), upstream.body(pieces(vec![Ok(first), Ok(LAST)])).unwrap()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert!(!response.headers().contains_key("content-length"));
    let frames: Vec<Bytes> = response.into_body().into_data_stream().map(Result::unwrap).collect().await;
    assert_eq!(frames.len(), 5, "role, a, b, finish, [DONE]");
    assert!(frames.iter().all(|frame| frame.starts_with(b"data: ") && frame.ends_with(b"\n\n")));
}

#[tokio::test]
async fn a_connection_that_breaks_breaks_the_answer() {
    let broken = pieces(vec![Ok("{\"message\":{\"content"), Err(io::Error::other("reset"))]);
    let response = translate(reading(true), Response::new(broken)).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
    let cut = translate(reading(true), Response::new(pieces(vec![]))).await.unwrap();
    assert!(cut.into_body().collect().await.is_err());
    assert!(translate(reading(false), Response::new(pieces(vec![Ok("{\"mess")]))).await.is_err());
}

#[tokio::test]
async fn refusals_pass_as_they_are() {
    let refusal = Full::<Bytes>::from("{\"error\":\"model 'x' not found\"}");
    let mut response = Response::new(refusal);
    *response.status_mut() = StatusCode::NOT_FOUND;
    let response: Response<Translated<Full<Bytes>>> = translate(reading(true), response).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "{\"error\":\"model 'x' not found\"}");
}
