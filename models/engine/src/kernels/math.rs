//! Elementary functions without branches, so that the compiler makes vectors of them.

/// `a * b + c`, in one instruction where there is one; the library function that would replace it is far slower
/// than two instructions.
#[inline(always)]
pub(super) fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// Adding this to a small float leaves its rounded value in the lowest bits: 1.5 * 2^23.
pub(super) const ROUND: f32 = 12_582_912.0;

/// e^x for x ≤ 0 (and up to 80), relative error below 3e-7; what is below e^-86.5 is e^-86.5.
///
/// Range reduction by powers of two, then the polynomial of degree 6 from the Cephes library (`expf`).
#[inline(always)]
pub(super) fn exponential<const FUSED: bool>(x: f32) -> f32 {
    // Below this the result would not be a normal number.
    let x = x.max(-86.5);
    let shifted = multiply_add::<FUSED>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = multiply_add::<FUSED>(n, -0.693_359_4, x);
    let r = multiply_add::<FUSED>(n, 2.121_944_4e-4, r);
    let mut p = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = multiply_add::<FUSED>(p, r, coefficient);
    }
    let p = multiply_add::<FUSED>(p * r, r, r + 1.0);
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// Where the error function below is one: erf(4.6/√2) = 1 - 4.2e-6.
const GELU_END: f32 = 4.6;

/// erf(x/√2)/x as a polynomial of 2x²/4.6² - 1, highest power first: fitted by us (least squares, reweighted until the
/// largest error of GELU itself was smallest) under the condition that it gives 1/4.6 at 4.6.
const GELU: [f32; 10] = [
    -0.003_684_533_8,
    0.011_241_33,
    -0.015_696_593,
    0.021_894_552,
    -0.038_039_2,
    0.059_057_515,
    -0.081_230_69,
    0.108_273_566,
    -0.151_511_52,
    0.307_086_9,
];

/// GELU with the error function (BERT's `gelu`), absolute error below 1.2e-5: a thousandth of what rounding the
/// result to bfloat16 costs. Without division or exponential, which would double its time.
#[inline(always)]
pub(super) fn gelu<const FUSED: bool>(x: f32) -> f32 {
    let z = x.clamp(-GELU_END, GELU_END);
    let u = multiply_add::<FUSED>(z * z, 2.0 / (GELU_END * GELU_END), -1.0);
    let mut p = 0.0;
    for coefficient in GELU {
        p = multiply_add::<FUSED>(p, u, coefficient);
    }
    let half = 0.5 * x;
    multiply_add::<FUSED>(half, z * p, half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_exact_to_a_few_units() {
        for step in 0..86_500 {
            let x = step as f32 * -0.001;
            let exact = f64::from(x).exp();
            for ours in [exponential::<false>(x), exponential::<true>(x)] {
                assert!((f64::from(ours) / exact - 1.0).abs() < 3e-7, "{x}: {ours} {exact}");
            }
        }
        assert!(exponential::<true>(-1e30) < 1e-36);
    }

    /// Reference values of x/2 (1 + erf(x/√2)), from Python's `math.erf`.
    #[test]
    fn gelu_is_the_one_with_the_error_function() {
        let known = [
            (-6.0, -5.919_526e-9),
            (-3.0, -4.049_694e-3),
            (-1.0, -0.158_655_25),
            (-0.1, -0.046_017_216),
            (0.0, 0.0),
            (0.5, 0.345_731_23),
            (2.0, 1.954_499_7),
            (7.0, 7.0),
        ];
        for (x, exact) in known {
            for ours in [gelu::<false>(x), gelu::<true>(x)] {
                assert!((ours - exact).abs() < 1.2e-5, "{x}: {ours} {exact}");
            }
        }
        assert!(gelu::<true>(-1e6).abs() < 1.0 && (gelu::<true>(1e6) - 1e6).abs() < 1.0);
    }
}
