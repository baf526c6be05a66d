cwlVersion: v1.2
class: Workflow
label: common.pixels
doc: >
  Probability of a class of voxels, by a pixel classifier, or by a mixture of the grey values of the volume, which needs no labels.
inputs:
  raw: {type: [File, string], doc: "Grey values (z, y, x), 8- or 16-bit."}
  mask: {type: ["null", File, string], doc: "Volume that is 0 where there are no data; its voxels may have another size, but it covers the image. Give one if tissue ends inside of the volume where padding is not of one grey value."}
  no_data: {type: "double?", doc: "Grey value that means no data; default: none, or the attribute no_data of the image. Set it if padding has one."}
  detect_no_data: {type: "boolean?", doc: "Whether areas of a section that are constant, or nearly so, have no data; default: true. Set it to false if tissue has such areas, as sparse fluorescence on black."}
  classifier: {type: "string?", doc: "Path of the card of a pixel classifier; default: none, a mixture is fitted. Give one if you have labels to train on."}
  class_name: {type: "string?", default: darkest, doc: "Class whose probability is returned: of the classifier; of a mixture darkest, brightest, or a number from 0."}
  components: {type: "int?", default: 2, doc: "Number of classes of a mixture. Larger if the wanted class has others beside it in brightness."}
  store: {type: string, doc: "Folder (absolute path) or address for the results of the steps; set by voxome run."}
  block: {type: "string?", doc: "Block shape in voxels, Z,Y,X; --block of voxome run overrides it."}
  workers: {type: "int?", doc: "Number of processes; set by voxome run."}
steps:
  tissue:
    run: ../tools/common.tissue.cwl
    in:
      image: raw
      mask: mask
      no_data: no_data
      detect: detect_no_data
      store: store
      block: block
      workers: workers
    out: [tissue, sections]
  statistics:
    run: ../tools/common.statistics.cwl
    in: {image: raw, tissue: tissue/tissue, store: store, block: block, workers: workers}
    out: [result]
  mixture:
    run: ../tools/common.mixture.cwl
    in: {histogram: statistics/result, components: components, classifier: classifier, store: store, block: block, workers: workers}
    out: [result]
  pixels:
    run: ../tools/common.pixels.cwl
    in:
      image: raw
      tissue: tissue/tissue
      mixture: mixture/result
      histogram: statistics/result
      classifier: classifier
      class_name: class_name
      store: store
      block: block
      workers: workers
    out: [probability]
  results:
    run: pixels_results.cwl
    in:
      probability: pixels/probability
      mixture: mixture/result
      tissue: tissue/tissue
      sections: tissue/sections
    out: [probability, mixture, tissue, sections]
outputs:
  probability: {type: [File, Directory], outputSource: results/probability}
  mixture: {type: File, outputSource: results/mixture}
  tissue: {type: [File, Directory], outputSource: results/tissue}
  sections: {type: File, outputSource: results/sections}
