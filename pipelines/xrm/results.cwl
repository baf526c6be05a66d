cwlVersion: v1.2
class: CommandLineTool
$namespaces: {voxome: "https://voxome.org/cwl#"}
doc: >
  The results of xrm.cells_vessels under their names, and its report, for CWL runners other than voxome: `voxome run` writes
  both itself, and skips this step.
hints:
  voxome:Gather: {}
baseCommand: [voxome, gather]
arguments: [--workflow, cells_vessels, --report, common.cells_vessels]
inputs:
  raw: {type: [File, string], inputBinding: {prefix: "--input=raw=", separate: false}}
  cell_probability: {type: ["null", File, string], inputBinding: {prefix: "--input=cell_probability=", separate: false}}
  vessel_probability: {type: ["null", File, string], inputBinding: {prefix: "--input=vessel_probability=", separate: false}}
  cells: {type: File, inputBinding: {prefix: "--result=cells=", separate: false}}
  cell_labels: {type: File, inputBinding: {prefix: "--result=cell_labels=", separate: false}}
  probability: {type: File, inputBinding: {prefix: "--result=probability=", separate: false}}
  vessel_map: {type: File, inputBinding: {prefix: "--result=vessel_map=", separate: false}}
  vessel_mask: {type: File, inputBinding: {prefix: "--result=vessel_mask=", separate: false}}
  vessels: {type: File, inputBinding: {prefix: "--result=vessels=", separate: false}}
  vessel_nodes: {type: File, inputBinding: {prefix: "--result=vessel_nodes=", separate: false}}
  vessel_points: {type: File, inputBinding: {prefix: "--result=vessel_points=", separate: false}}
  vessel_graph: {type: File, inputBinding: {prefix: "--result=vessel_graph=", separate: false}}
  vessel_trees: {type: File, inputBinding: {prefix: "--result=vessel_trees=", separate: false}}
  density: {type: File, inputBinding: {prefix: "--result=density=", separate: false}}
  vessel_fraction: {type: File, inputBinding: {prefix: "--result=vessel_fraction=", separate: false}}
  vessel_length: {type: File, inputBinding: {prefix: "--result=vessel_length=", separate: false}}
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
  vessel_map: {type: [File, Directory], outputBinding: {glob: ["vessel_map.zarr", "vessel_map.handle.json"]}}
  vessel_mask: {type: [File, Directory], outputBinding: {glob: ["vessel_mask.zarr", "vessel_mask.handle.json"]}}
  vessels: {type: File, outputBinding: {glob: vessels.parquet}}
  vessel_nodes: {type: File, outputBinding: {glob: vessel_nodes.parquet}}
  vessel_points: {type: File, outputBinding: {glob: vessel_points.parquet}}
  vessel_graph: {type: File, outputBinding: {glob: vessel_graph.graphml}}
  vessel_trees: {type: File, outputBinding: {glob: vessel_trees.swc}}
  density: {type: [File, Directory], outputBinding: {glob: ["density.zarr", "density.handle.json"]}}
  vessel_fraction: {type: [File, Directory], outputBinding: {glob: ["vessel_fraction.zarr", "vessel_fraction.handle.json"]}}
  vessel_length: {type: [File, Directory], outputBinding: {glob: ["vessel_length.zarr", "vessel_length.handle.json"]}}
  density_table: {type: File, outputBinding: {glob: density_table.parquet}}
  region_densities: {type: File, outputBinding: {glob: region_densities.parquet}}
  cell_distances: {type: File, outputBinding: {glob: cell_distances.parquet}}
  cell_sizes: {type: File, outputBinding: {glob: cell_sizes.parquet}}
  tissue: {type: [File, Directory], outputBinding: {glob: ["tissue.zarr", "tissue.handle.json"]}}
  sections: {type: File, outputBinding: {glob: sections.parquet}}
  report: {type: File, outputBinding: {glob: report.html}}
