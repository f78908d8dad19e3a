import CKernels

/// Bits of a block-wise quantized value.
public enum BlockBits: Int, Sendable, CaseIterable {
  /// Two values per byte.
  case four = 4
  /// One value per byte.
  case eight = 8

  /// The highest unsigned level.
  public var highestUnsigned: Int { self == .four ? 15 : 255 }
}

/// Whether blocks have a zero point.
public enum BlockSymmetry: Sendable, CaseIterable {
  /// No zero point; 0 is in the middle.
  case symmetric
  /// Unsigned levels and a zero point per block; the range includes 0.
  case asymmetric
}

/// How the scale of a block is chosen; a block of zeros gets 1.
///
/// Symmetric four-bit blocks use all levels, -8...7, and a *signed* scale: it takes the value of largest
/// magnitude, m, to -8, so it is negative where m is positive (of +a and -a, -a counts). DequantizeLinear and
/// MatMulNBits only multiply by it. Every other format has scales above zero. Eight bits use -127...127.
public enum BlockRange: Sendable, CaseIterable {
  /// The scale that just holds the largest value.
  ///
  /// - Signed scales: m / -8, the very bits that ONNX Runtime's quantizer for MatMulNBits writes. Values are
  ///   divided and rounded half to even, where that quantizer multiplies by a reciprocal and rounds half
  ///   up; so a few values at ties differ from it by one level.
  /// - Eight bits: max|w| / 127.
  /// - Asymmetric: (max - min) / (levels - 1), over a range that includes 0.
  case maximum
  /// The candidate with the least squared error; the first one wins ties, and `maximum` is the first.
  ///
  /// - Signed scales: that of `maximum` × 1, 1.06, 1.03, 0.97, 0.94 and 0.91, by the least
  ///   Σ |w| (w - q · scale)², so that large values count more.
  /// - Other formats: that of `maximum` × 1, 0.93, 0.86 and 0.79, by the least Σ (w - q · scale)². Zero points
  ///   stay those of `maximum`.
  case leastSquares
}

/// Where the parts of a block-wise quantized weight go.
public enum BlockLayout: Sendable, CaseIterable {
  /// com.microsoft MatMulNBits: values [N, blocks, blockSize · bits / 8], unsigned (symmetric ones have an
  /// implied zero point 2^(bits-1)), the last block padded with its zero point; scales [N, blocks].
  case matMulNBits
  /// Opset-21 DequantizeLinear with `block_size`: values in the shape of the weight, symmetric ones signed,
  /// 4-bit ones two per byte in flat order; scales [blocks, N] for a [K, N] weight, [N, blocks] for [N, K].
  case weightShape
}

/// A block-wise quantization format; K is the axis that blocks run along.
public struct BlockFormat: Sendable, Equatable {
  /// Elements in a block: a power of two from 16 to 256.
  public var blockSize: Int
  /// Bits per value.
  public var bits: BlockBits
  /// Whether blocks have a zero point.
  public var symmetry: BlockSymmetry
  /// How scales are chosen.
  public var range: BlockRange
  /// Where the parts go.
  public var layout: BlockLayout

  /// A format; `blockSize` must be a power of two from 16 to 256.
  public init(
    blockSize: Int, bits: BlockBits, symmetry: BlockSymmetry, range: BlockRange, layout: BlockLayout
  ) {
    precondition([16, 32, 64, 128, 256].contains(blockSize), "blocks of 16 to 256 elements")
    self.blockSize = blockSize
    self.bits = bits
    self.symmetry = symmetry
    self.range = range
    self.layout = layout
  }

  /// Blocks along K.
  public func blockCount(k: Int) -> Int { k / blockSize + (k % blockSize == 0 ? 0 : 1) }

  /// Bytes of a stored block in `matMulNBits`.
  public var blockByteCount: Int { blockSize * bits.rawValue / 8 }

  /// Bytes of the values of an [N, K] or [K, N] weight.
  public func valueByteCount(n: Int, k: Int) -> Int {
    switch layout {
    case .matMulNBits: n * blockCount(k: k) * blockByteCount
    case .weightShape: bits == .four ? NibblePacking.byteCount(n * k) : n * k
    }
  }

  /// Whether scales have a sign, see `BlockRange`.
  var hasSignedScales: Bool { bits == .four && symmetry == .symmetric }

  /// What the base scale is multiplied by for each candidate after that of the maximum; at most seven.
  var multipliers: [Float] {
    switch range {
    case .maximum: []
    case .leastSquares: hasSignedScales ? [1.06, 1.03, 0.97, 0.94, 0.91] : [1, 0.93, 0.86, 0.79]
    }
  }

  func options(packed: Bool) -> ck_block_options {
    ck_block_options(
      blockSize: Int32(blockSize), bits: Int32(bits.rawValue), asymmetric: symmetry == .asymmetric ? 1 : 0,
      leastSquares: range == .maximum ? 0 : 1, biased: layout == .matMulNBits ? 1 : 0,
      signedScale: hasSignedScales ? 1 : 0, blobs: layout == .matMulNBits ? 1 : 0, packed: packed ? 1 : 0)
  }
}
