import CPUBackend
import Foundation
import TestSupport
import Testing

@Suite("The page of operators")
struct OperatorPageTests {
  @Test("docs/operators.md lists what the engine claims, no more and no less")
  func page() throws {
    let text = try String(contentsOfFile: PackageRoot.path("docs/operators.md"), encoding: .utf8)
    let rows = text.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { row in
      row.split(separator: "|").map { $0.trimmingCharacters(in: CharacterSet(charactersIn: " `")) }
    }
    let listed = Set(rows.map { "\($0[1]) \($0[0]) \($0[2])" })
    let claimed = Set(
      CPUBackend.operators.map { claim in
        "\(claim.domain.isEmpty ? "ai.onnx" : claim.domain) \(claim.name) "
          + "\(claim.versions.lowerBound)–\(claim.versions.upperBound)"
      })
    #expect(listed.count == rows.count)
    #expect(listed.subtracting(claimed).sorted() == [])
    #expect(claimed.subtracting(listed).sorted() == [])
  }
}
