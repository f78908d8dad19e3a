import Foundation
import TestSupport
import Testing

/// `quantize` for an NPU, and what it prints.
enum Static {
  struct Report: Decodable {
    let output: String
    let scheme: String
    let target: String
    let clips: [String]
    let bytesBefore: Int
    let bytesAfter: Int
    let floatNodes: [[String: String]]
    let notes: [String]
  }

  static let encoder = PackageRoot.path("models/whisper_demo_onnx/encoder/whisper_encoder.onnx")
  static let speech = PackageRoot.path("models/whisper_demo_speech")
  /// Few, because every one of them costs seconds in an unoptimized build.
  static let clips = ["en-f4-02.wav", "pt-m5-01.wav"].map { speech + "/" + $0 }
  static let calibration = clips.flatMap { ["--calibration", $0] }

  static func run(
    _ input: String, _ output: String, _ options: [String] = [], workingFolder: String? = nil
  ) throws -> SpawnResult {
    try WhisperQBinary.run(
      ["quantize", input, "--output", output] + options, workingFolder: workingFolder,
      timeLimit: .seconds(300))
  }

  /// A run that must succeed.
  @discardableResult
  static func done(
    _ input: String, _ output: String, _ options: [String], sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Report {
    let result = try run(input, output, options + ["--json", "--quiet"])
    try #require(result.exitCode == 0, "\(result.stderr)", sourceLocation: sourceLocation)
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Report.self, from: Data(result.stdoutBytes))
  }

  /// 16 bits, mono, 16,000 samples per second.
  static func wav(seconds: Int) -> [UInt8] {
    let count = 16_000 * seconds
    var bytes: [UInt8] = []
    func append(_ value: Int, _ width: Int) {
      for index in 0..<width { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
    }
    bytes += Array("RIFF".utf8)
    append(36 + count * 2, 4)
    bytes += Array("WAVEfmt ".utf8)
    for (value, width) in [(16, 4), (1, 2), (1, 2), (16_000, 4), (32_000, 4), (2, 2), (16, 2)] {
      append(value, width)
    }
    bytes += Array("data".utf8)
    append(count * 2, 4)
    for sample in 0..<count { append(sample * (300 + sample / 400 % 700) % 16384 - 8192, 2) }
    return bytes
  }

  /// An archive as numpy.savez writes it, of float32 arrays filled with a saw, or with what `value` says of a place.
  static func npz(
    _ arrays: [(name: String, shape: [Int])],
    value: (_ name: String, _ place: Int) -> Float = { Float($1 * 37 % 201 - 100) / 100 }
  ) -> [UInt8] {
    var zip = ZIPBytes()
    for (name, shape) in arrays {
      let dimensions = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
      var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(dimensions)), }"
      while (10 + header.utf8.count + 1) % 64 != 0 { header += " " }
      header += "\n"
      var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0]
      bytes += [UInt8(header.utf8.count & 0xff), UInt8(header.utf8.count >> 8)] + Array(header.utf8)
      for index in 0..<shape.reduce(1, *) {
        let bits = value(name, index).bitPattern
        for byte in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(8 * byte))) }
      }
      zip.add("\(name).npy", bytes)
    }
    return zip.closed
  }
}

/// A ZIP archive of stored entries, as numpy.savez makes it.
///
/// Source: PKWARE APPNOTE 4.3.7, 4.3.12, 4.3.16.
private struct ZIPBytes {
  private var bytes: [UInt8] = []
  private var directory: [UInt8] = []
  private var count = 0

  private static func number(_ value: Int, _ width: Int) -> [UInt8] {
    (0..<width).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  /// CRC-32 of IEEE 802.3, bit by bit.
  private static func checksum(_ content: [UInt8]) -> Int {
    var table = [UInt32](repeating: 0, count: 256)
    for index in table.indices {
      var value = UInt32(index)
      for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
      table[index] = value
    }
    var result = UInt32.max
    for byte in content { result = result >> 8 ^ table[Int((result ^ UInt32(byte)) & 0xff)] }
    return Int(~result)
  }

  mutating func add(_ name: String, _ content: [UInt8]) {
    let head =
      Self.number(20, 2) + Self.number(0, 2) + Self.number(0, 2) + Self.number(0, 4)
      + Self.number(Self.checksum(content), 4) + Self.number(content.count, 4) + Self.number(content.count, 4)
      + Self.number(name.utf8.count, 2) + Self.number(0, 2)
    let place = bytes.count
    bytes += Self.number(0x0403_4b50, 4) + head + Array(name.utf8) + content
    directory += Self.number(0x0201_4b50, 4) + Self.number(20, 2) + head
    directory += Self.number(0, 2) + Self.number(0, 2) + Self.number(0, 2) + Self.number(0, 4)
    directory += Self.number(place, 4) + Array(name.utf8)
    count += 1
  }

  var closed: [UInt8] {
    bytes + directory + Self.number(0x0605_4b50, 4) + Self.number(0, 4) + Self.number(count, 2)
      + Self.number(count, 2) + Self.number(directory.count, 4) + Self.number(bytes.count, 4)
      + Self.number(0, 2)
  }
}
