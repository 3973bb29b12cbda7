"""What kind of defect a crop shows: learned from few examples that people have named, on the features of the model's trunk."""
