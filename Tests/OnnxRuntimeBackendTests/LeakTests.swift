import Foundation
import ModelBackend
import OnnxRuntimeBackend
import Tensors
import TestSupport
import Testing

@Suite("Sessions that come and go", .serialized) struct LeakTests {
  /// Resident memory of this process; nil where the system does not tell.
  private var residentByteCount: Int? {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return nil }
    let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) }
    return pages.map { $0 * Int(sysconf(Int32(_SC_PAGESIZE))) }
  }

  @Test("two hundred of them leave no memory behind") func sessions() throws {
    let runtime = try Runtime.open()
    let model = PackageRoot.path("Tests/Resources/layouts/optimum/encoder_model.onnx")
    let small = try SmallModels.path("add.onnx")
    let feed = try TensorContent(floats: [1, 2, 3], [1, 3])
    func cycle() throws {
      _ = try runtime.openSession(model: model, SessionSettings(threadCount: 1))
      let session = try runtime.openSession(model: small, SessionSettings(threadCount: 1))
      _ = try session.run(["a": feed, "b": feed], outputs: ["y"])
      _ = try? session.run(["a": feed], outputs: ["y"])
      _ = try? runtime.openSession(model: "/nowhere.onnx")
    }
    for _ in 0..<20 { try cycle() }
    // Other tests run beside this one and take memory for a while; a leak grows in every round.
    var growths: [Int] = []
    for _ in 0..<4 {
      guard let before = residentByteCount else { try Test.cancel("the system does not tell the memory") }
      for _ in 0..<50 { try cycle() }
      growths.append(try #require(residentByteCount) - before)
    }
    let least = try #require(growths.min())
    // Fifty lost sessions of the encoder are more than this.
    #expect(least < 4_000_000, "bytes in rounds of 50: \(growths)")
  }
}
