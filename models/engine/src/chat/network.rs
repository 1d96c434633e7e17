//! The forward pass: rows of tokens from any number of sequences go through the layers together.

mod load;

use super::{
    architecture::Architecture,
    attention::Attend,
    kernels::{Activations, GROUP, Gate, Normalise, Processor, multiply},
    packed::{LANES, Matrix},
    pages::Memory,
    rotary::Angles,
    team::Team,
};

/// Consecutive tokens of one sequence that attend together: they share each page's conversion to 32 bits.
const ATTEND: usize = 8;

/// A loaded network.
#[derive(Debug)]
pub(crate) struct Network {
    architecture: Architecture,
    processor: Processor,
    embedding: Matrix,
    /// The output head, unless the embedding serves as it.
    head: Option<Matrix>,
    norm: Vec<f32>,
    layers: Vec<Layer>,
    angles: Angles,
}

#[derive(Debug)]
struct Layer {
    attention_norm: Vec<f32>,
    /// Query, key and value.
    attention: [Matrix; 3],
    /// Biases of the three, empty when the network has none.
    biases: [Vec<f32>; 3],
    output: Matrix,
    feed_norm: Vec<f32>,
    /// Gate and up.
    feed: [Matrix; 2],
    down: Matrix,
}

/// One token to compute.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// Its id; must be in the vocabulary.
    pub(crate) token: u32,
    /// Where it stands in its sequence, from 0.
    pub(crate) position: usize,
    /// Which of the memories is its sequence's. Rows of one sequence are neighbours, in order of position.
    pub(crate) sequence: usize,
    /// Whether the scores of the next token are wanted.
    pub(crate) wanted: bool,
}

/// Sums of a product: for each tile of sixteen rows, sixteen numbers per token.
struct Sums {
    tiles: Vec<f32>,
    tokens: usize,
}

impl Sums {
    /// The sums of one token from tile `first` on.
    fn token(&self, token: usize, first: usize) -> impl Iterator<Item = &[f32; LANES]> {
        let tiles = self.tiles.chunks_exact(self.tokens * LANES).skip(first);
        tiles.filter_map(move |tile| tile.as_chunks::<LANES>().0.get(token))
    }

    /// Copies the sums of one token from tile `first` on, as many as `out` takes.
    fn copy(&self, token: usize, first: usize, out: &mut [f32]) {
        for (out, sums) in out.chunks_mut(LANES).zip(self.token(token, first)) {
            let (sums, _) = sums.split_at(out.len());
            out.copy_from_slice(sums);
        }
    }

    /// Adds the sums of each token to its row.
    fn add_to(&self, rows: &mut [f32], width: usize) {
        for (token, row) in rows.chunks_exact_mut(width).enumerate() {
            for (out, sums) in row.chunks_mut(LANES).zip(self.token(token, 0)) {
                out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
            }
        }
    }
}

/// Some tokens that attend together, and where their sums go.
struct Party {
    first: usize,
    tokens: usize,
    head: usize,
}

impl Network {
    /// The numbers that describe the network.
    pub(crate) fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// How many tokens the vocabulary has.
    pub(crate) fn vocabulary(&self) -> usize {
        self.head.as_ref().unwrap_or(&self.embedding).rows()
    }

    /// Computes `rows`, stores their keys and values in their sequences' memories, and returns the scores of the
    /// next token for the rows that want them, in order.
    pub(crate) fn forward(&self, team: &Team, rows: &[Row], memories: &mut [&mut Memory]) -> Vec<Vec<f32>> {
        let width = self.architecture.width;
        let mut stream = vec![0.0f32; rows.len() * width];
        for (row, out) in rows.iter().zip(stream.chunks_exact_mut(width)) {
            self.embedding.row(row.token as usize, out);
        }
        for row in rows {
            if let Some(memory) = memories.get_mut(row.sequence) {
                memory.grow(row.position + 1);
            }
        }
        for (index, layer) in self.layers.iter().enumerate() {
            self.attend(team, index, layer, rows, memories, &mut stream);
            self.feed(team, layer, &mut stream);
        }
        let wanted: Vec<f32> = rows
            .iter()
            .zip(stream.chunks_exact(width))
            .filter(|(row, _)| row.wanted)
            .flat_map(|(_, numbers)| numbers.iter().copied())
            .collect();
        self.scores(team, &wanted)
    }

    fn scores(&self, team: &Team, stream: &[f32]) -> Vec<Vec<f32>> {
        if stream.is_empty() {
            return Vec::new();
        }
        let input = self.normalised(team, stream, &self.norm);
        let head = self.head.as_ref().unwrap_or(&self.embedding);
        let sums = self.product(team, &[head], &input);
        let mut scores = vec![vec![0.0f32; head.rows()]; sums.tokens];
        for (token, scores) in scores.iter_mut().enumerate() {
            sums.copy(token, 0, scores);
        }
        scores
    }

    fn attend(
        &self,
        team: &Team,
        index: usize,
        layer: &Layer,
        rows: &[Row],
        memories: &mut [&mut Memory],
        stream: &mut [f32],
    ) {
        let Architecture { head_size, .. } = self.architecture;
        let (query_width, kv_width) = (self.architecture.query_width(), self.architecture.kv_width());
        let input = self.normalised(team, stream, &layer.attention_norm);
        let [query, key, value] = &layer.attention;
        let sums = self.product(team, &[query, key, value], &input);
        // Tiles are padded, so a matrix starts at a whole number of tiles.
        let starts = [0, query.tiles(), query.tiles() + key.tiles()];
        let mut queries = vec![0.0f32; rows.len() * query_width];
        let mut kv = vec![0.0f32; 2 * kv_width];
        for ((token, row), query) in rows.iter().enumerate().zip(queries.chunks_exact_mut(query_width)) {
            let (key, value) = kv.split_at_mut(kv_width);
            let targets = [&mut *query, &mut *key, &mut *value];
            for ((target, start), bias) in targets.into_iter().zip(starts).zip(&layer.biases) {
                sums.copy(token, start, target);
                add_bias(target, bias);
            }
            self.angles.turn(query, head_size, row.position);
            self.angles.turn(key, head_size, row.position);
            if let Some(memory) = memories.get_mut(row.sequence) {
                memory.write(index, row.position, key, value);
            }
        }
        let shared: Vec<&Memory> = memories.iter().map(|memory| &**memory).collect();
        let mixed = self.mix(team, index, rows, &shared, &queries);
        let input = self.rounded(team, &mixed, query_width);
        let sums = self.product(team, &[&layer.output], &input);
        sums.add_to(stream, self.architecture.width);
    }

    /// Attention of all rows: one party per key head and up to [`ATTEND`] tokens of a sequence.
    fn mix(&self, team: &Team, layer: usize, rows: &[Row], memories: &[&Memory], queries: &[f32]) -> Vec<f32> {
        let Architecture { heads, kv_heads, head_size, .. } = self.architecture;
        let (group, width) = (heads / kv_heads, self.architecture.query_width());
        let parties = parties(rows, kv_heads);
        let longest = parties.iter().map(|party| party.tokens).max().unwrap_or(0);
        let piece = longest * group * head_size;
        let mut sums = vec![0.0f32; parties.len() * piece];
        team.each(&mut sums, piece, |index, out| {
            let Some(party) = parties.get(index) else { return };
            let Some(row) = rows.get(party.first) else { return };
            let Some(memory) = memories.get(row.sequence) else { return };
            let mine = queries.chunks_exact(width).skip(party.first).take(party.tokens);
            let own: Vec<f32> = mine
                .flat_map(|query| query.iter().skip(party.head * group * head_size).take(group * head_size).copied())
                .collect();
            let (out, _) = out.split_at_mut(own.len());
            self.processor.run(Attend {
                queries: &own,
                head_size,
                group,
                visible: row.position + 1,
                pages: memory.head(layer, party.head, row.position + party.tokens),
                out,
            });
        });
        let mut mixed = vec![0.0f32; queries.len()];
        for (party, sums) in parties.iter().zip(sums.chunks_exact(piece.max(1))) {
            let outs = mixed.chunks_exact_mut(width).skip(party.first).take(party.tokens);
            for (out, sums) in outs.zip(sums.chunks_exact(group * head_size)) {
                let place = out.chunks_exact_mut(group * head_size).nth(party.head);
                place.into_iter().for_each(|place| place.copy_from_slice(sums));
            }
        }
        mixed
    }

    fn feed(&self, team: &Team, layer: &Layer, stream: &mut [f32]) {
        let hidden = self.architecture.hidden;
        let input = self.normalised(team, stream, &layer.feed_norm);
        let [gate, up] = &layer.feed;
        let sums = self.product(team, &[gate, up], &input);
        let mut gated = vec![0.0f32; sums.tokens * hidden];
        team.each(&mut gated, hidden * GROUP, |index, rows| {
            let mut up = vec![0.0f32; hidden];
            for (row, token) in rows.chunks_exact_mut(hidden).zip(index * GROUP..) {
                sums.copy(token, 0, row);
                sums.copy(token, gate.tiles(), &mut up);
                self.processor.run(Gate { gate: row, up: &up });
            }
        });
        let input = self.rounded(team, &gated, hidden);
        let sums = self.product(team, &[&layer.down], &input);
        sums.add_to(stream, self.architecture.width);
    }

    fn normalised(&self, team: &Team, stream: &[f32], weights: &[f32]) -> Activations {
        let width = self.architecture.width;
        let mut rows = vec![0.0f32; stream.len()];
        team.each(&mut rows, width * GROUP, |index, rows| {
            let stream = stream.chunks_exact(width).skip(index * GROUP);
            for (out, row) in rows.chunks_exact_mut(width).zip(stream) {
                self.processor.run(Normalise { row, weights, epsilon: self.architecture.epsilon, out });
            }
        });
        self.rounded(team, &rows, width)
    }

    fn rounded(&self, team: &Team, rows: &[f32], width: usize) -> Activations {
        Activations::round(self.processor, team, rows, width)
    }

    /// Multiplies matrices of the same number of columns with all tokens.
    fn product(&self, team: &Team, matrices: &[&Matrix], input: &Activations) -> Sums {
        let tokens = input.tokens();
        let tiles: usize = matrices.iter().map(|matrix| matrix.tiles()).sum();
        let mut sums = vec![0.0f32; tiles * tokens * LANES];
        let piece = tiles.div_ceil(team.pieces());
        team.each(&mut sums, piece * tokens * LANES, |index, sums| {
            for (out, tile) in sums.chunks_exact_mut(tokens * LANES).zip(index * piece..) {
                let mut tile = tile;
                for matrix in matrices {
                    if tile < matrix.tiles() {
                        multiply(self.processor, matrix.tile(tile), input, out);
                        break;
                    }
                    tile -= matrix.tiles();
                }
            }
        });
        Sums { tiles: sums, tokens }
    }
}

fn parties(rows: &[Row], heads: usize) -> Vec<Party> {
    let mut parties = Vec::new();
    let mut first = 0;
    for run in rows.chunk_by(|left, right| left.sequence == right.sequence) {
        for part in run.chunks(ATTEND) {
            parties.extend((0..heads).map(|head| Party { first, tokens: part.len(), head }));
            first += part.len();
        }
    }
    parties
}

fn add_bias(numbers: &mut [f32], bias: &[f32]) {
    numbers.iter_mut().zip(bias).for_each(|(number, bias)| *number += bias);
}
