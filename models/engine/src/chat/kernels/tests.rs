use candle_core::quantized::GgmlDType;
use half::f16;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{Activations, Gate, Normalise, Processor, exponential_of, multiply};
use crate::chat::{
    gguf::RawTensor,
    packed::{LANES, Matrix},
    team::Team,
};

/// A tensor of random blocks, extreme steps included.
fn random(kind: GgmlDType, rows: usize, columns: usize) -> RawTensor {
    let mut random = StdRng::seed_from_u64(3);
    let mut data = Vec::new();
    for _ in 0..rows * columns / kind.block_size() {
        data.extend(f16::from_f32(random.random_range(0.001..0.02)).to_le_bytes());
        if kind == GgmlDType::Q4_1 {
            data.extend(f16::from_f32(random.random_range(-0.2..0.0)).to_le_bytes());
        }
        let quants = kind.type_size() - if kind == GgmlDType::Q4_1 { 4 } else { 2 };
        data.extend((0..quants).map(|index| if index % 7 == 0 { 0x80 } else { random.random::<u8>() }));
    }
    RawTensor { rows, columns, kind, data }
}

fn activations(tokens: usize, width: usize) -> Vec<f32> {
    let mut random = StdRng::seed_from_u64(5);
    (0..tokens * width).map(|_| random.random_range(-3.0..3.0f32)).collect()
}

/// Products of every row with every token by one processor, row by row.
fn products(processor: Processor, matrix: &Matrix, rows: &[f32], width: usize) -> Vec<f32> {
    let team = Team::start("test", 1).unwrap();
    let input = Activations::round(processor, &team, rows, width);
    let tokens = rows.len() / width;
    let mut out = vec![0.0; tokens * LANES];
    let mut all = Vec::new();
    for tile in 0..matrix.tiles() {
        multiply(processor, matrix.tile(tile), &input, &mut out);
        all.extend_from_slice(&out);
    }
    all
}

#[test]
fn every_processor_multiplies_like_the_decoded_matrix() {
    let (rows, width) = (40, 96);
    for kind in [GgmlDType::Q4_0, GgmlDType::Q4_1, GgmlDType::Q8_0] {
        let raw = random(kind, rows, width);
        let (matrix, floats) = (Matrix::pack(&raw).unwrap(), raw.floats().unwrap());
        for tokens in [1, 2, 3, 7, 8, 9, 21] {
            let input = activations(tokens, width);
            for processor in Processor::all() {
                let found = products(processor, &matrix, &input, width);
                for token in 0..tokens {
                    for row in 0..rows {
                        let exact: f64 = (0..width)
                            .map(|column| {
                                f64::from(floats[row * width + column]) * f64::from(input[token * width + column])
                            })
                            .sum();
                        let got = found[(row / LANES) * tokens * LANES + token * LANES + row % LANES];
                        // Rounding activations to 1/254 of their range moves a sum of 96 products by less.
                        let allowed = 0.35;
                        assert!(
                            (f64::from(got) - exact).abs() < allowed,
                            "{processor:?} {kind:?} row {row} token {token} of {tokens}: {got} is not {exact}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn processors_agree_and_neighbouring_tokens_change_nothing() {
    let (rows, width) = (32, 576);
    for kind in [GgmlDType::Q4_1, GgmlDType::Q8_0] {
        let matrix = Matrix::pack(&random(kind, rows, width)).unwrap();
        let input = activations(13, width);
        let truth = products(Processor::Portable, &matrix, &input, width);
        for processor in Processor::all() {
            let together = products(processor, &matrix, &input, width);
            for (one, other) in truth.iter().zip(&together) {
                assert!(
                    (one - other).abs() < 2e-4 * one.abs().max(10.0),
                    "{processor:?} {kind:?}: {other} is not {one}"
                );
            }
            for (token, row) in input.chunks_exact(width).enumerate() {
                let alone = products(processor, &matrix, row, width);
                let same = together.chunks_exact(13 * LANES).flat_map(|tile| &tile[token * LANES..][..LANES]);
                assert!(alone.iter().eq(same), "{processor:?} {kind:?}: token {token} depends on its neighbours");
            }
        }
    }
}

#[test]
fn a_row_reads_back_as_the_file_has_it() {
    for kind in [GgmlDType::Q4_0, GgmlDType::Q4_1, GgmlDType::Q8_0] {
        let raw = random(kind, 20, 64);
        let (matrix, floats) = (Matrix::pack(&raw).unwrap(), raw.floats().unwrap());
        let mut row = vec![0.0; 64];
        for index in 0..20 {
            matrix.row(index, &mut row);
            for (found, exact) in row.iter().zip(&floats[index * 64..]) {
                assert!((found - exact).abs() <= 1e-6, "{kind:?} row {index}: {found} is not {exact}");
            }
        }
    }
}

#[test]
fn other_forms_are_rounded_to_eight_bits() {
    let floats = activations(16, 64);
    let data = floats.iter().flat_map(|number| number.to_le_bytes()).collect();
    let matrix = Matrix::pack(&RawTensor { rows: 16, columns: 64, kind: GgmlDType::F32, data }).unwrap();
    let mut row = vec![0.0; 64];
    matrix.row(5, &mut row);
    for (found, exact) in row.iter().zip(&floats[5 * 64..]) {
        assert!((found - exact).abs() < 3.0 / 127.0, "{found} is not {exact}");
    }
}

#[test]
fn the_exponential_is_exact_to_a_few_units() {
    for step in -8700..8800 {
        let number = step as f32 / 100.0;
        let exact = f64::from(number).exp();
        let found = f64::from(exponential_of(number));
        assert!((found / exact - 1.0).abs() < 3e-7, "e^{number} is {found}, not {exact}");
    }
    assert!(exponential_of(-1e30) < 1e-37);
}

#[test]
fn normalising_and_gating_do_what_they_say() {
    let row: Vec<f32> = (0..48).map(|index| index as f32 - 20.0).collect();
    let weights: Vec<f32> = (0..48).map(|index| 1.0 + index as f32 / 48.0).collect();
    let mean = row.iter().map(|number| number * number).sum::<f32>() / 48.0;
    for processor in Processor::all() {
        let mut out = vec![0.0; 48];
        processor.run(Normalise { row: &row, weights: &weights, epsilon: 1e-5, out: &mut out });
        for ((found, number), weight) in out.iter().zip(&row).zip(&weights) {
            assert!((found - number / (mean + 1e-5).sqrt() * weight).abs() < 1e-5);
        }
        let mut gate = row.clone();
        processor.run(Gate { gate: &mut gate, up: &weights });
        for ((found, number), up) in gate.iter().zip(&row).zip(&weights) {
            assert!((found - up * number / (1.0 + (-number).exp())).abs() < 1e-5);
        }
    }
}
