public import Tensors

/// Why a file is no NumPy array that can be an input: one sentence without the file's name.
public struct NPYError: Error, Sendable, Equatable {
  public let message: String
}

/// Reads NumPy's `.npy` format, versions 1 to 3.
///
/// Source: "The NPY format", NumPy's documentation of `numpy.lib.format`. Little and big endian, C and Fortran order;
/// pickled objects, text and complex numbers are refused.
public enum NPYArray {
  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  /// Longer headers than this describe no array of numbers.
  private static let headerLimit = 1 << 16

  public static func read(_ bytes: [UInt8]) throws(NPYError) -> TensorContent {
    guard bytes.count >= 10, bytes.starts(with: magic) else {
      throw NPYError(message: "this is no .npy array (it does not begin with \\x93NUMPY)")
    }
    let version = Int(bytes[6])
    guard (1...3).contains(version) else {
      throw NPYError(message: ".npy version \(version) is unknown, expected 1 to 3")
    }
    let lengthCount = version == 1 ? 2 : 4
    guard bytes.count >= 8 + lengthCount else { throw NPYError(message: "the .npy header is cut off") }
    let length = (0..<lengthCount).reduce(0) { $0 | Int(bytes[8 + $1]) << (8 * $1) }
    let start = 8 + lengthCount + length
    guard length <= headerLimit, start <= bytes.count else {
      throw NPYError(message: "the .npy header says \(length) bytes, and the file has \(bytes.count)")
    }
    var header = HeaderReader(bytes[(8 + lengthCount)..<start])
    let facts = try header.read()
    let (type, isBigEndian) = try elementType(facts.descr)
    guard let shape = Shape(facts.shape), let byteCount = type.byteCount(elementCount: shape.elementCount)
    else {
      throw NPYError(message: "the shape \(facts.shape) is too large")
    }
    guard bytes.count - start == byteCount else {
      throw NPYError(
        message: "\(shape) of \(type.name) takes \(byteCount) bytes, and the file has \(bytes.count - start)")
    }
    var data = Array(bytes[start...])
    let width = (type.bitWidth ?? 8) / 8
    if isBigEndian, width > 1 { swap(&data, width) }
    if facts.isFortran, shape.rank > 1 { data = rowMajor(data, shape, width) }
    return TensorContent(elementType: type, shape: shape, bytes: .owned(data))
  }

  private static func elementType(_ descr: String) throws(NPYError) -> (ElementType, isBigEndian: Bool) {
    let types: [Substring: ElementType] = [
      "f2": .float16, "f4": .float32, "f8": .float64, "i1": .int8, "i2": .int16, "i4": .int32, "i8": .int64,
      "u1": .uint8, "u2": .uint16, "u4": .uint32, "u8": .uint64, "b1": .bool,
    ]
    let order = descr.first.map { "<>|=".contains($0) } ?? false
    guard let type = types[order ? descr.dropFirst() : descr[...]] else {
      throw NPYError(
        message:
          "elements of type '\(descr)' are no numbers that a model takes; save them as float32 or int64")
    }
    return (type, descr.first == ">")
  }

  private static func swap(_ data: inout [UInt8], _ width: Int) {
    for start in stride(from: 0, to: data.count, by: width) { data[start..<(start + width)].reverse() }
  }

  /// Fortran order (first axis fastest) to C order (last axis fastest).
  private static func rowMajor(_ data: [UInt8], _ shape: Shape, _ width: Int) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(data.count)
    var strides: [Int] = []
    var step = 1
    for extent in shape.dimensions {
      strides.append(step)
      step *= extent
    }
    var place = [Int](repeating: 0, count: shape.rank)
    for _ in 0..<shape.elementCount {
      let source = zip(place, strides).reduce(0) { $0 + $1.0 * $1.1 } * width
      result.append(contentsOf: data[source..<(source + width)])
      for axis in place.indices.reversed() {
        place[axis] += 1
        if place[axis] < shape.dimensions[axis] { break }
        place[axis] = 0
      }
    }
    return result
  }
}

/// Reads the header's Python dictionary: `{'descr': '<f4', 'fortran_order': False, 'shape': (1, 80, 3000), }`.
private struct HeaderReader {
  private let text: [UInt8]
  private var place = 0

  init(_ bytes: ArraySlice<UInt8>) { text = Array(bytes) }

  private func error() -> NPYError {
    NPYError(message: "the .npy header is not as NumPy writes it (byte \(place) of it)")
  }

  mutating func read() throws(NPYError) -> (descr: String, isFortran: Bool, shape: [Int]) {
    var descr: String?
    var isFortran: Bool?
    var shape: [Int]?
    try take("{")
    while !takes("}") {
      let key = try string()
      try take(":")
      switch key {
      case "descr":
        // A structured type is a list.
        if peek == UInt8(ascii: "[") {
          throw NPYError(message: "structured arrays are no inputs; save plain numbers")
        }
        descr = try string()
      case "fortran_order": isFortran = try flag()
      case "shape": shape = try tuple()
      default: throw error()
      }
      if !takes(",") {
        try take("}")
        break
      }
    }
    guard let descr, let isFortran, let shape else { throw error() }
    return (descr, isFortran, shape)
  }

  private var peek: UInt8? {
    mutating get {
      while place < text.count, [0x20, 0x0A, 0x0D, 0x09].contains(text[place]) { place += 1 }
      return place < text.count ? text[place] : nil
    }
  }

  private mutating func takes(_ character: Character) -> Bool {
    guard let byte = character.asciiValue, peek == byte else { return false }
    place += 1
    return true
  }

  private mutating func take(_ character: Character) throws(NPYError) {
    if !takes(character) { throw error() }
  }

  private mutating func string() throws(NPYError) -> String {
    guard let quote = peek, quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else { throw error() }
    guard let end = text[(place + 1)...].firstIndex(of: quote) else { throw error() }
    defer { place = end + 1 }
    return String(decoding: text[(place + 1)..<end], as: UTF8.self)
  }

  private mutating func flag() throws(NPYError) -> Bool {
    _ = peek
    for (word, value) in [("True", true), ("False", false)] where text[place...].starts(with: word.utf8) {
      place += word.utf8.count
      return value
    }
    throw error()
  }

  private mutating func tuple() throws(NPYError) -> [Int] {
    try take("(")
    var extents: [Int] = []
    while !takes(")") {
      var digits = ""
      while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
        digits.unicodeScalars.append(Unicode.Scalar(byte))
        place += 1
      }
      guard let extent = Int(digits) else { throw error() }
      extents.append(extent)
      if !takes(",") {
        try take(")")
        break
      }
    }
    return extents
  }
}
