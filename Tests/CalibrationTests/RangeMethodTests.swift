import Calibration
import Testing

@Suite("Range methods")
struct RangeMethodTests {
  @Test("each method has the word that the command line takes")
  func words() {
    #expect(RangeMethod.allCases.map(\.rawValue) == ["min-max", "moving", "percentile", "mse", "entropy"])
  }
}
