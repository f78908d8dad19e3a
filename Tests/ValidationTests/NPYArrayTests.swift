import Foundation
import Tensors
import TestSupport
import Testing
import Validation

@Suite("NumPy arrays")
struct NPYArrayTests {
  private struct Case: Decodable {
    let path: String
    let type: String
    let shape: [Int]
    let values: [Double]
  }

  @Test("All types, orders and versions that numpy writes are read as numpy reads them")
  func numpy() throws {
    let folder = try TemporaryFolder()
    let output = try PythonOracle.output(script: "npy_files.py", arguments: [folder.path])
    let lines = output.split(separator: "\n")
    #expect(lines.count == 15 * 5 * 2 * 3)
    for line in lines {
      let expected = try JSONDecoder().decode(Case.self, from: Data(line.utf8))
      let found = try NPYArray.read([UInt8](Data(contentsOf: URL(filePath: expected.path))))
      #expect(found.elementType.name == expected.type, "\(expected.path)")
      #expect(found.shape.dimensions == expected.shape, "\(expected.path)")
      #expect(found.numbers == expected.values, "\(expected.path)")
    }
  }

  private static func file(_ header: String, _ data: [UInt8] = [], version: UInt8 = 1) -> [UInt8] {
    let length = [UInt8(header.utf8.count & 255), UInt8(header.utf8.count >> 8)]
    return magic + [version, 0] + length + Array(header.utf8) + data
  }

  @Test("A header in another spelling that is still Python is read")
  func spelling() throws {
    let header = "{\"shape\":(2,),\"fortran_order\":False,\"descr\":\"<f4\"}"
    let found = try NPYArray.read(Self.file(header, [0, 0, 128, 63, 0, 0, 0, 64]))
    #expect(found.floats == [1, 2])
  }

  private static let damages: [([UInt8], String)] = [
    ([], "does not begin"), ([UInt8](repeating: 0, count: 64), "does not begin"),
    (file("{}"), "not as NumPy writes"), (file("{}", [], version: 9), "version 9"),
    (file("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", [0]), "takes 8 bytes"),
    (file("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999), }"), "too large"),
    (file("{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999999999999,), }"), "not as NumPy"),
    (file("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"), "'|O'"),
    (file("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }"), "'<c8'"),
    (file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }"), "structured"),
    (file("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,), }"), "not as NumPy"),
    (file("{'descr': '<f4"), "not as NumPy"), (file("{'shape': (1"), "not as NumPy"),
    (magic + [1, 0, 255, 255], "65535 bytes"), (magic + [2, 0, 255, 255], "cut off"),
  ]
  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  @Test("Damaged files are errors with a reason, and never a crash", arguments: damages)
  func damaged(_ bytes: [UInt8], _ words: String) throws {
    let error = #expect(throws: NPYError.self) { try NPYArray.read(bytes) }
    let message = try #require(error).message
    #expect(message.contains(words), "\(message)")
  }

  @Test("Any bytes after the magic number are read or refused, never a crash")
  func fuzz() {
    var generator = SplitMix64.forThisRun()
    print("seed \(generator.seed)")
    let header = Array("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }".utf8)
    var readCount = 0
    for _ in 0..<5000 {
      var bytes = Self.file(String(decoding: header, as: UTF8.self), generator.bytes(16))
      for _ in 0..<Int(generator.next() % 3) {
        bytes[6 + Int(generator.next() % UInt64(bytes.count - 6))] = UInt8(
          truncatingIfNeeded: generator.next())
      }
      if (try? NPYArray.read(bytes)) != nil { readCount += 1 }
    }
    #expect(readCount > 0 && readCount < 5000, "seed \(generator.seed)")
  }
}

@Suite("Conversion of small tensors")
struct TensorConversionTests {
  @Test("Every half becomes itself again through float32")
  func halves() throws {
    let shape = try #require(Shape([65_536]))
    let bytes = (0..<65_536).flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
    let halves = TensorContent(elementType: .float16, shape: shape, bytes: .owned(bytes))
    let floats = try #require(halves.converted(to: .float32))
    let again = try #require(floats.converted(to: .float16)).bytes.copied()
    for index in 0..<65_536 {
      let value = Float16(bitPattern: UInt16(index))
      guard !value.isNaN else { continue }
      #expect(
        again[2 * index] == bytes[2 * index] && again[2 * index + 1] == bytes[2 * index + 1], "\(index)")
    }
  }

  @Test("Floats are rounded to halves as the processor rounds them")
  func rounding() throws {
    var generator = SplitMix64.forThisRun()
    var values: [Float] = [
      65_504, 65_519.996, 65_520, 1e-8, 5.96e-8, 6.1e-5, 2.980_232_2e-8, 0x1.8p-24, -0.0,
    ]
    for _ in 0..<20_000 { values.append(Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))) }
    values = values.filter { !$0.isNaN }
    let bytes = try #require(TensorContent.of(values).converted(to: .float16)).bytes.copied()
    for (index, value) in values.enumerated() {
      let found = UInt16(bytes[2 * index]) | UInt16(bytes[2 * index + 1]) << 8
      #expect(found == Float16(value).bitPattern, "\(value), seed \(generator.seed)")
    }
  }

  @Test("Integers are rounded to nearest and clamped")
  func integers() throws {
    let bytes = try #require(TensorContent.of([-1000, -0.5, 1.5, 2.5, 1000, .nan]).converted(to: .int8))
    #expect(bytes.integers == [-128, 0, 2, 2, 127, 0])
    #expect(TensorContent.of([1]).converted(to: .string) == nil)
    #expect(TensorContent.of([0, 2]).converted(to: .bool)?.integers == [0, 1])
  }
}
