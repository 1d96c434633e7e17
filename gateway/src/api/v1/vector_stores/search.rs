//! `POST /v1/vector_stores/{id}/search`.

use axum::{Json, extract::State};
use kubemate_corpus::{Found, Rerank, SearchRequest};
use kubemate_identity::Scope;
use kubemate_wire::vector_stores::{self as wire, ContentPart, RANKERS, RankingOptions, SearchPage, SearchResult};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    attributes::{filter, on_wire},
    reranking,
};
use crate::{
    api::{ApiError, Json as Body, Path, caller::Caller},
    app::App,
};

/// Results when none are asked for (OpenAI's reference).
const USUAL: u32 = 10;
/// OpenAI's limit on `max_num_results`.
const MOST: u32 = 50;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(search))
}

/// Find passages in a knowledge base.
#[utoipa::path(post, path = "/v1/vector_stores/{id}/search", tag = "vector stores", params(("id" = String, Path)),
    responses((status = 200, description = "Passages, best first")))]
async fn search(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    body: Body<wire::SearchRequest>,
) -> Result<Json<SearchPage>, ApiError> {
    caller.must(Scope::VectorStores)?;
    let asked = body.value;
    let queries = asked.query.clone().into_vec();
    if queries.iter().all(|query| query.trim().is_empty()) {
        return Err(ApiError::invalid("query", "`query` is empty"));
    }
    let filter = asked.filters.as_ref().map(filter).transpose()?;
    let limit = limit(asked.max_num_results)?;
    let options = asked.ranking_options.as_ref();
    let mut request = ranked(SearchRequest { filter, ..SearchRequest::new(queries.clone(), limit) }, options)?;
    request.rerank = reranking::chosen(&app, &caller, options)?;
    request.rewrite = asked.rewrite_query.unwrap_or(false);
    let found = app.corpus.search(&caller.tenant, &[id], request).await?;
    let data = found.into_iter().map(result).collect();
    Ok(Json(SearchPage { search_query: queries, data, has_more: false, next_page: None }))
}

/// `max_num_results`, from 1 to 50.
///
/// # Errors
/// `Invalid` outside that range.
pub(crate) fn limit(asked: Option<u32>) -> Result<usize, ApiError> {
    match asked.unwrap_or(USUAL) {
        limit @ 1..=MOST => Ok(limit as usize),
        _ => Err(ApiError::invalid("max_num_results", format!("`max_num_results` must be between 1 and {MOST}"))),
    }
}

/// The request with the client's ranking options.
///
/// # Errors
/// `Invalid` for an unknown ranker, a threshold or weights out of range.
pub(crate) fn ranked(mut request: SearchRequest, options: Option<&RankingOptions>) -> Result<SearchRequest, ApiError> {
    let Some(options) = options else { return Ok(request) };
    check_ranker(options)?;
    if let Some(threshold) = options.score_threshold {
        if !(0.0..=1.0).contains(&threshold) {
            return Err(ApiError::invalid(
                "ranking_options.score_threshold",
                "`score_threshold` must be between 0 and 1",
            ));
        }
        request.score_threshold = Some(threshold as f32);
    }
    if let Some(weights) = options.hybrid_search {
        let total = weights.embedding_weight + weights.text_weight;
        if weights.embedding_weight < 0.0 || weights.text_weight < 0.0 || !(total > 0.0 && total.is_finite()) {
            let message = "weights of `hybrid_search` must not be negative, and one must be above 0";
            return Err(ApiError::invalid("ranking_options.hybrid_search", message));
        }
        request.lexical_weight = Some((weights.text_weight / total) as f32);
    }
    match options.rerank.as_deref() {
        Some(reranking::NONE) => request.rerank = Rerank::Off,
        Some(reranking::OWN) => request.rerank = Rerank::Own,
        _ => {}
    }
    Ok(request)
}

/// All published rankers are this server's one ranking; a name that means nothing must not look as if it did.
fn check_ranker(options: &RankingOptions) -> Result<(), ApiError> {
    match options.ranker.as_deref() {
        Some(other) if !RANKERS.contains(&other) => {
            let message = format!("`ranker` is `{other}`; use one of {}", RANKERS.join(", "));
            Err(ApiError::invalid("ranking_options.ranker", message))
        }
        _ => Ok(()),
    }
}

fn result(found: Found) -> SearchResult {
    let passage = found.passage;
    SearchResult {
        file_id: found.file,
        filename: found.filename,
        score: f64::from(found.score),
        attributes: Some(on_wire(&passage.attributes)),
        content: vec![ContentPart { text: passage.text }],
        page: passage.page,
        page_end: passage.page_end.or(passage.page),
        start: Some(passage.start),
        end: Some(passage.end),
        heading: passage.heading,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_ranker_is_refused_with_the_known_ones() {
        let with = |ranker: &str| {
            let options = RankingOptions { ranker: Some(ranker.to_owned()), ..RankingOptions::default() };
            ranked(SearchRequest::new(vec!["q".to_owned()], 1), Some(&options))
        };
        for known in RANKERS {
            assert!(with(known).is_ok(), "{known}");
        }
        let ApiError::Invalid { message, param, .. } = with("cohere-rerank-9").unwrap_err() else {
            panic!("a wrong request")
        };
        assert!(message.contains("auto") && message.contains("default-2024-11-15"), "{message}");
        assert_eq!(param.as_deref(), Some("ranking_options.ranker"));
    }
}
