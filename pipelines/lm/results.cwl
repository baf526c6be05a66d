cwlVersion: v1.2
class: CommandLineTool
$namespaces: {voxome: "https://voxome.org/cwl#"}
doc: >
  The results of lm.cells under their names, and its report, for CWL runners other than voxome: `voxome run` writes
  both itself, and skips this step.
hints:
  voxome:Gather: {}
baseCommand: [voxome, gather]
arguments: [--workflow, cells, --report, common.cells_vessels]
inputs:
  raw: {type: [File, string], inputBinding: {prefix: "--input=raw=", separate: false}}
  cells: {type: File, inputBinding: {prefix: "--result=cells=", separate: false}}
  cell_labels: {type: File, inputBinding: {prefix: "--result=cell_labels=", separate: false}}
  probability: {type: File, inputBinding: {prefix: "--result=probability=", separate: false}}
  density: {type: File, inputBinding: {prefix: "--result=density=", separate: false}}
  density_table: {type: File, inputBinding: {prefix: "--result=density_table=", separate: false}}
  region_densities: {type: File, inputBinding: {prefix: "--result=region_densities=", separate: false}}
  cell_distances: {type: File, inputBinding: {prefix: "--result=cell_distances=", separate: false}}
  cell_sizes: {type: File, inputBinding: {prefix: "--result=cell_sizes=", separate: false}}
  tissue: {type: File, inputBinding: {prefix: "--result=tissue=", separate: false}}
  sections: {type: File, inputBinding: {prefix: "--result=sections=", separate: false}}
outputs:
  cells: {type: File, outputBinding: {glob: cells.parquet}}
  cell_labels: {type: [File, Directory], outputBinding: {glob: ["cell_labels.zarr", "cell_labels.handle.json"]}}
  probability: {type: [File, Directory], outputBinding: {glob: ["probability.zarr", "probability.handle.json"]}}
  density: {type: [File, Directory], outputBinding: {glob: ["density.zarr", "density.handle.json"]}}
  density_table: {type: File, outputBinding: {glob: density_table.parquet}}
  region_densities: {type: File, outputBinding: {glob: region_densities.parquet}}
  cell_distances: {type: File, outputBinding: {glob: cell_distances.parquet}}
  cell_sizes: {type: File, outputBinding: {glob: cell_sizes.parquet}}
  tissue: {type: [File, Directory], outputBinding: {glob: ["tissue.zarr", "tissue.handle.json"]}}
  sections: {type: File, outputBinding: {glob: sections.parquet}}
  report: {type: File, outputBinding: {glob: report.html}}
