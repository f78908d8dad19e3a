import ByteIO
import Foundation
import ONNXFile
import Tensors
import TestSupport
import Testing

@Suite("What the fuzzer begins with and what it found")
struct FuzzCaseTests {
  /// Files of a folder of the fuzzing package.
  private func files(_ name: String) throws -> [String] {
    let folder = PackageRoot.path("Fuzz/" + name)
    return try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
      .filter { $0 != "README.md" && !$0.hasPrefix(".") }.map { folder + "/" + $0 }
  }

  @Test("every seed is a model that is written byte for byte")
  func seeds() throws {
    let paths = try files("Seeds")
    #expect(paths.count >= 2)
    for path in paths {
      let bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
      #expect(bytes.count <= 4096, "\(path): too long for the fuzzer")
      #expect(try ModelReader.read(path: path).serialized() == bytes, "\(path)")
    }
  }

  @Test("no input that once failed fails again")
  func failCases() throws {
    for path in try files("FailCases") + files("Seeds") {
      guard let model = try? ModelReader.read(path: path) else { continue }
      let files = ExternalDataFiles(modelPath: "no-such-folder/model.onnx")
      model.forEachTensor { _ = try? TensorContent($0, external: files) }
      let written = model.serialized()
      let again = try ModelReader.read(MappedFile(copying: written, name: path))
      #expect(again.serialized() == written, "\(path)")
    }
  }
}
