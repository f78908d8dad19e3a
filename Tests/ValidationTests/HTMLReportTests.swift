import ModelBackend
import Tensors
import Testing
import Validation

@Suite("HTML report")
struct HTMLReportTests {
  private static let evil = "<script>alert('x')</script> & \"y\" \u{202E}\u{1b}[31m"

  private static func report(_ name: String, objection: String? = nil) throws -> ModelReport {
    let reference = TensorContent.of([1, 2, 3, 4])
    let candidate = TensorContent.of([1, 2.1, 3, .nan])
    let good = TensorContent.of([1, 2.1, 3, 4])
    let engine = EngineReport(
      provider: .qnn, runtime: name, isEmulated: true,
      placement: Placement(
        shares: [
          .init(provider: name, nodeCount: 3, operators: [name: 3]),
          .init(provider: "CPU", nodeCount: 1, operators: [:]),
        ],
        leftovers: [.init(node: name, operatorName: name, provider: name, reason: name)]),
      passedOver: [PassedOver(provider: .cpu, error: BackendError(.missing, name))], notes: [name])
    var report = ModelReport(path: name, title: name, byteCount: 1_500_000)
    report.findings = [Finding(.warning, rule: name, place: name, name, remedy: name)]
    report.notes = [name]
    report.run = RunReport(
      engine: engine, inputs: [.init(name: name, elementType: .float32, shape: reference.shape)],
      outputs: [.init(name: name, elementType: .float32, shape: reference.shape)],
      findings: [good, candidate].map {
        OutputFinding(
          name: name, health: TensorHealth($0),
          difference: TensorDifference(reference: reference, candidate: $0),
          mismatch: name)
      },
      loadSeconds: 0.1, seconds: [0.2, 0.3], reference: .init(path: name, engine: engine, seconds: 0.5))
    report.layers = try [good, candidate, reference].map {
      LayerReport(
        name: name, operatorName: name,
        difference: try #require(TensorDifference(reference: reference, candidate: $0)))
    }
    if let objection { report.objections = [.init(.verdict, objection)] }
    return report
  }

  @Test("Names from files cannot become markup, and no control character gets through")
  func escaping() throws {
    let page = HTMLReport.page([try Self.report(Self.evil, objection: Self.evil)])
    #expect(!page.lowercased().contains("<script"))
    #expect(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;y&quot;"))
    #expect(!page.unicodeScalars.contains { $0.value == 0x202E || $0.value == 0x1B })
  }

  @Test("The page needs nothing from elsewhere, follows light and dark, and forbids scripts")
  func alone() throws {
    let page = HTMLReport.page([try Self.report("a")])
    for word in ["http:", "https:", "src=", "@import", "url(", "<link"] {
      #expect(!page.contains(word), "\(word)")
    }
    #expect(page.contains("prefers-color-scheme: dark") && page.contains("default-src 'none'"))
    #expect(page.hasPrefix("<!doctype html>") && page.contains("<meta charset=\"utf-8\">"))
  }

  @Test("Elements are closed in the order in which they were opened")
  func wellFormed() throws {
    let page = HTMLReport.page([
      try Self.report("a"), try Self.report(Self.evil, objection: "no"),
      ModelReport(path: "b", title: "", byteCount: 0),
    ])
    let void: Set<String> = ["meta", "br", "line", "rect", "circle"]
    var open: [String] = []
    for match in page.matches(of: /<(\/?)([a-z0-9]+)([^>]*)>/) {
      let name = String(match.output.2)
      if void.contains(name) || match.output.3.hasSuffix("/") { continue }
      if match.output.1.isEmpty {
        open.append(name)
      } else {
        #expect(open.popLast() == name)
      }
    }
    #expect(open.isEmpty)
  }

  @Test("The same reports make the same page, with verdicts, plots and the emulation named")
  func contents() throws {
    let reports = [try Self.report("good.onnx"), try Self.report("bad.onnx", objection: "too far off")]
    let page = HTMLReport.page(reports)
    #expect(page == HTMLReport.page(reports))
    for word in [
      "1 of 2 models does not pass", "too far off", "<svg", "emulated", "errors of good.onnx",
      "SQNR of inner tensors", "nodes by provider",
    ] {
      #expect(page.contains(word), "\(word)")
    }
  }
}
