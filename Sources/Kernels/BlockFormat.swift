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

/// How the scale of a block is chosen. Scales are above zero; a block of zeros gets 1.
public enum BlockRange: Sendable, Equatable {
  /// Symmetric: max|w| / 127, or / 7 for four bits. Asymmetric: (max - min) / (levels - 1).
  case maximum
  /// The candidate with the least squared error; the first one wins ties.
  ///
  /// Candidates are the scale of `maximum`, then base × each multiplier. The base is that scale, but for
  /// symmetric four bits, which may use -8 here, max(max w / 7, max -w / 8). Zero points stay those of
  /// `maximum`.
  case leastSquares(multipliers: [Float])

  /// `leastSquares` with four candidates beside the maximum.
  public static let leastSquares = Self.leastSquares(multipliers: [1, 0.93, 0.86, 0.79])
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

  var multipliers: [Float] {
    if case .leastSquares(let multipliers) = range { multipliers } else { [] }
  }

  func options(packed: Bool) -> ck_block_options {
    ck_block_options(
      blockSize: Int32(blockSize), bits: Int32(bits.rawValue), asymmetric: symmetry == .asymmetric ? 1 : 0,
      leastSquares: range == .maximum ? 0 : 1, biased: layout == .matMulNBits ? 1 : 0,
      blobs: layout == .matMulNBits ? 1 : 0, packed: packed ? 1 : 0)
  }
}
