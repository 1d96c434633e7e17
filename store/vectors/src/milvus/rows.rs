//! Points as columns, and rows as points.

use milvus::v2::error::Error;
use milvus::v2::types::{FieldData, QueryResults, ResultRow, SearchResults};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::expression::{Word, number_key};
use super::lexical;
use super::schema::{self, Words};
use crate::attributes::{numbers, tag};
use crate::served::{Owned, Place};
use crate::{Attributes, Hit, Passage, Point, VectorsError};

/// The fields that make a passage.
pub(super) const ALL: [&str; 14] = [
    schema::TENANT,
    schema::SPACE,
    schema::POINT,
    schema::FILE,
    schema::VERSION,
    schema::ORDINAL,
    schema::PAGE,
    schema::PAGE_END,
    schema::SPAN_START,
    schema::SPAN_END,
    schema::HEADING,
    schema::FILENAME,
    schema::TEXT,
    schema::ATTRIBUTES,
];

/// The fields that make a point.
pub(super) const WITH_VECTOR: [&str; 15] = [
    schema::TENANT,
    schema::SPACE,
    schema::POINT,
    schema::FILE,
    schema::VERSION,
    schema::ORDINAL,
    schema::PAGE,
    schema::PAGE_END,
    schema::SPAN_START,
    schema::SPAN_END,
    schema::HEADING,
    schema::FILENAME,
    schema::TEXT,
    schema::ATTRIBUTES,
    schema::DENSE,
];

/// The primary key of a point.
pub(super) fn key(place: Place<'_>, point: Uuid) -> Word {
    Word::of_id(&format!("{}/{}/{point}", place.tenant, place.space))
}

pub(super) fn keys(place: Place<'_>, points: &[Uuid]) -> Vec<Word> {
    points.iter().map(|point| key(place, *point)).collect()
}

/// The columns of these points.
pub(super) fn columns(place: Place<'_>, points: &[Point], words: Words) -> Result<Vec<FieldData>, VectorsError> {
    points.iter().try_for_each(|point| short_enough(&point.passage))?;
    let text = |name: &str, of: &dyn Fn(&Point) -> String| FieldData::varchar(name, points.iter().map(of).collect());
    let number = |name: &str, of: &dyn Fn(&Passage) -> i64| {
        FieldData::int64(name, points.iter().map(|point| of(&point.passage)).collect())
    };
    let list = |name: &str, of: &dyn Fn(&Passage) -> Vec<String>| {
        FieldData::array_varchar(name, points.iter().map(|point| of(&point.passage)).collect())
    };
    let json = |name: &str, of: &dyn Fn(&Attributes) -> Value| {
        FieldData::json(name, points.iter().map(|point| of(&point.passage.attributes)).collect())
    };
    let mut columns = vec![
        text(schema::KEY, &|point| key(place, point.id).into_text()),
        text(schema::TENANT, &|_| place.tenant.to_string()),
        text(schema::SPACE, &|_| place.space.to_string()),
        text(schema::POINT, &|point| point.id.to_string()),
        text(schema::FILE, &|point| point.passage.file.clone()),
        text(schema::FILE_KEY, &|point| Word::of_text(&point.passage.file).into_text()),
        number(schema::VERSION, &|passage| passage.version),
        number(schema::ORDINAL, &|passage| passage.ordinal.into()),
        number(schema::PAGE, &|passage| passage.page.unwrap_or_default().into()),
        number(schema::PAGE_END, &|passage| passage.page_end.unwrap_or_default().into()),
        number(schema::SPAN_START, &|passage| i64::try_from(passage.start).unwrap_or(i64::MAX)),
        number(schema::SPAN_END, &|passage| i64::try_from(passage.end).unwrap_or(i64::MAX)),
        list(schema::HEADING, &|passage| passage.heading.clone()),
        text(schema::FILENAME, &|point| point.passage.filename.clone()),
        text(schema::TEXT, &|point| point.passage.text.clone()),
        json(schema::ATTRIBUTES, &|attributes| json!(attributes)),
        list(schema::TAGS, &|passage| tags(&passage.attributes)),
        json(schema::NUMBERS, &sizes),
        FieldData::float_vector(schema::DENSE, points.iter().map(|point| point.dense.clone()).collect()),
    ];
    match words {
        Words::Function => columns.push(text(schema::TERMS, &|point| lexical::document(&point.passage))),
        Words::Weights => {
            columns.push(list(schema::TERMS, &lexical::distinct));
            let weights = points.iter().map(|point| lexical::weights(&point.passage)).collect();
            columns.push(FieldData::sparse_float_vector(schema::WEIGHTS, weights));
        }
    }
    Ok(columns)
}

/// Refuses what no field of Milvus can hold, rather than to cut it.
fn short_enough(passage: &Passage) -> Result<(), VectorsError> {
    let longest = [&passage.text, &passage.filename, &passage.file].map(String::len).into_iter().max();
    if longest.unwrap_or_default() <= schema::LONGEST {
        return Ok(());
    }
    let told = format!("a passage is longer than {} bytes, the most that Milvus takes", schema::LONGEST);
    Err(VectorsError::store("wrote", told))
}

fn tags(attributes: &Attributes) -> Vec<String> {
    attributes.iter().map(|(key, value)| Word::of_text(&tag(key, value)).into_text()).collect()
}

fn sizes(attributes: &Attributes) -> Value {
    Value::Object(numbers(attributes).map(|(key, number)| (number_key(key), json!(number))).collect::<Map<_, _>>())
}

/// What a search found.
pub(super) fn hits(results: &SearchResults) -> Result<Vec<Owned<Hit>>, VectorsError> {
    let read = || {
        let mut hits = Vec::new();
        for result in results {
            for (row, score) in result.rows()?.zip(result.get_scores()) {
                let (id, passage) = passage(&row)?;
                hits.push(owned(&row, Hit { id, score: *score, passage })?);
            }
        }
        Ok::<_, Error>(hits)
    };
    read().map_err(unreadable)
}

pub(super) fn passages(results: &QueryResults) -> Result<Vec<Owned<(Uuid, Passage)>>, VectorsError> {
    let read = || results.rows()?.map(|row| owned(&row, passage(&row)?)).collect::<Result<Vec<_>, Error>>();
    read().map_err(unreadable)
}

pub(super) fn points(results: &QueryResults) -> Result<Vec<Owned<Point>>, VectorsError> {
    let point = |row: &ResultRow<'_>| {
        let (id, passage) = passage(row)?;
        Ok::<_, Error>(Point { id, dense: row.get_float_vector(schema::DENSE)?.to_vec(), passage })
    };
    let read = || results.rows()?.map(|row| owned(&row, point(&row)?)).collect::<Result<Vec<_>, Error>>();
    read().map_err(unreadable)
}

fn owned<T>(row: &ResultRow<'_>, item: T) -> Result<Owned<T>, Error> {
    let text = |name| row.get_str(name).map(str::to_owned);
    Ok(Owned { tenant: text(schema::TENANT)?, space: text(schema::SPACE)?, item })
}

fn passage(row: &ResultRow<'_>) -> Result<(Uuid, Passage), Error> {
    let text = |name| row.get_str(name).map(str::to_owned);
    let number = |name| row.get_i64(name).map(|number| u64::try_from(number).unwrap_or_default());
    let page = |name| number(name).map(|page| u32::try_from(page).ok().filter(|page| *page > 0));
    let passage = Passage {
        file: text(schema::FILE)?,
        version: row.get_i64(schema::VERSION)?,
        ordinal: u32::try_from(number(schema::ORDINAL)?).unwrap_or(u32::MAX),
        page: page(schema::PAGE)?,
        page_end: page(schema::PAGE_END)?,
        start: number(schema::SPAN_START)?,
        end: number(schema::SPAN_END)?,
        heading: row.get_array_varchar(schema::HEADING)?.to_vec(),
        filename: text(schema::FILENAME)?,
        text: text(schema::TEXT)?,
        attributes: serde_json::from_value(row.get_json(schema::ATTRIBUTES)?.clone())?,
    };
    let id = row.get_str(schema::POINT)?;
    let id = id.parse().map_err(|_| Error::MalformedResponse(format!("a point's id is `{id}`")))?;
    Ok((id, passage))
}

fn unreadable(error: Error) -> VectorsError {
    VectorsError::store("read what the server sent", error)
}
